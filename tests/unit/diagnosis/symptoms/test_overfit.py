"""UT111: both sides of each of its conditions."""

import math

import pytest

from tests.cases.records import run
from undertow.core.record import Held, Record
from undertow.diagnosis.symptoms.overfit import overfit

FALLS = [2.0 * 0.97**i for i in range(100)]


def record(*held: float, losses: list[float] = FALLS, limits: float | None = None) -> Record:
    at = [Held(25 * (i + 1), loss) for i, loss in enumerate(held)]
    set_ = () if limits is None else (("overfit-rise", limits),)
    return run(losses, held=tuple(at), limits=set_)


def test_it_names_the_best_step_and_both_losses() -> None:
    (found,) = overfit.run(record(1.5, 1.6, 1.8, 2.0))
    assert found.since == 25
    assert found.evidence[0].value == 2.0
    assert found.evidence[0].limit == pytest.approx(1.65)
    assert found.evidence[1].value == pytest.approx(sum(FALLS[94:96]) / 2)
    assert "1.5" in found.says


@pytest.mark.parametrize(
    "held",
    [
        (1.5, 1.4, 1.3, 1.25),  # the gap opens, held-back falls too: usual
        (1.5, 1.55, 1.6, 1.64),  # 9 % above the best
        (2.0, 1.5, 1.0, 1.2),  # its gap rose in the last evaluation only
        (1.5, 2.0),  # two evaluations
        (1.5, 1.6, math.nan, 2.0),
        (),
    ],
)
def test_it_is_silent_on(held: tuple[float, ...]) -> None:
    assert not overfit.run(record(*held))


def test_training_has_to_fall() -> None:
    assert not overfit.run(record(1.5, 1.6, 1.8, 2.0, losses=[1.0] * 100))


def test_the_limit_is_the_users() -> None:
    assert not overfit.run(record(1.5, 1.6, 1.8, 2.0, limits=0.5))
    assert overfit.run(record(1.5, 1.55, 1.6, 1.64, limits=0.05))


def test_evaluations_before_the_run_was_seen_do_not_count() -> None:
    early = run(FALLS, held=(Held(0, 1.0), Held(25, 1.5), Held(50, 1.6)))
    assert not overfit.run(early)
