"""UT109 and UT110: progress, its gate, trend, the start rule, swings."""

import math
from dataclasses import replace

import pytest

from tests.cases.records import ADAM, CONST, TOO_FAST, check, run
from undertow.diagnosis.symptoms.progress import no_progress, oscillation


@pytest.mark.parametrize(("share", "fires"), [(0.91, True), (0.89, False)])
def test_limit_in_training(share: float, fires: bool) -> None:
    found = no_progress.run(run((share * CONST,) * 100))
    assert bool(found) is fires
    if fires:
        assert found[0].evidence[0].value == pytest.approx(share)
        assert found[0].since == 0


def test_a_loss_on_its_way_is_waited_for() -> None:
    falls = [CONST * (1.2 - 0.003 * i) for i in range(100)]
    assert not no_progress.run(run(falls))
    slow = [CONST * (1.2 - 0.0003 * i) for i in range(100)]
    assert no_progress.run(run(slow))


def test_a_fall_to_the_constant_answer_is_no_progress() -> None:
    sinks = [CONST * (1 + 3 * 0.9**i) for i in range(100)]  # flat at the end
    assert no_progress.run(run(sinks))


def test_since_is_after_the_last_good_loss() -> None:
    losses = (0.5 * CONST,) * 60 + (CONST,) * 60
    (found,) = no_progress.run(run(losses))
    assert found.since == 60


def test_trend_alone_where_the_constant_is_unknown() -> None:
    (found,) = no_progress.run(run((1.0,) * 100, const_loss=None))
    assert "judged by trend" in found.says
    falls = [2.0 * 0.99**i for i in range(100)]
    assert not no_progress.run(run(falls, const_loss=None))


@pytest.mark.parametrize(("share", "fires"), [(0.91, True), (0.89, False)])
def test_limit_before_training(share: float, fires: bool) -> None:
    record = check(one_batch=(CONST, *(share * CONST,) * 50))
    assert bool(no_progress.run(record)) is fires


def test_before_training_the_sentence_has_the_numbers() -> None:
    (found,) = no_progress.run(check(line=TOO_FAST))
    assert found.says.startswith("after 50 steps on one batch the loss is 1 of the best constant")
    assert "takes it from 2.3 to 6.91" in found.says


@pytest.mark.parametrize(("curvature", "fires"), [(790.0, False), (810.0, True)])
def test_start_rule_of_stability(curvature: float, fires: bool) -> None:
    record = check(learns=None, curvature=curvature)  # lr .1: lr·λ/2 = 39.5 or 40.5
    assert bool(no_progress.run(record)) is fires
    assert not no_progress.run(replace(record, optimizer=ADAM))


def swinging(fall: float = 0.0) -> list[float]:
    return [CONST * (1.5 + 0.3 * (-1) ** i) - fall * i / 100 for i in range(100)]


@pytest.mark.parametrize(("update", "fires"), [(0.0105, True), (0.0095, False)])
def test_oscillation_needs_large_steps(update: float, fires: bool) -> None:
    assert bool(oscillation.run(run(swinging(), update_ratio=update))) is fires


def test_oscillation_needs_a_swing_above_the_fall() -> None:
    steady = [CONST * (3 - 0.001 * i) for i in range(100)]
    assert not oscillation.run(run(steady, update_ratio=0.05))
    assert not oscillation.run(run([math.inf] * 100, update_ratio=0.05))


def test_oscillation_is_gated() -> None:
    learns = [0.5 * v for v in swinging()]
    assert not oscillation.run(run(learns, update_ratio=0.05))
    assert not oscillation.run(check(learns=True, update_ratio=0.05))


@pytest.mark.parametrize(
    ("losses", "fires"),
    [
        ((CONST,) * 12, True),
        (tuple(CONST * (1.1 - 0.001 * i) for i in range(12)), True),
        (tuple(CONST * (1.1 - 0.01 * i) for i in range(12)), False),  # falls by 8 %
        ((0.5 * CONST,) * 12, False),  # a head of the same classes begins where it was
        ((CONST,) * 11, False),  # its epoch is not over
    ],
)
def test_a_head_alone_is_judged_after_its_epoch(losses: tuple[float, ...], fires: bool) -> None:
    record = replace(run(losses), facts=(("head alone", "12 steps"),))
    assert bool(no_progress.run(record)) is fires
    assert not no_progress.run(run(losses))
