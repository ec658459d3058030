"""Schedules by closed form, and the words and numbers they refuse."""

import math

import pytest

from undertow.core.errors import UsageError
from undertow.core.plan import TrainChoices
from undertow.train.schedule import checked, drops, rate_factor


def factors(total: int, epoch: int = 0, **given: object) -> list[float]:
    choices = TrainChoices(**given)  # type: ignore[arg-type]
    return [rate_factor(choices, step, total, epoch) for step in range(total)]


def test_steps_drop_by_gamma_every_so_many_epochs() -> None:
    found = factors(12, 2, schedule="step", drop_every=2, gamma=0.5)
    assert found == [1] * 4 + [0.5] * 4 + [0.25] * 4
    assert factors(12, schedule="step", drop_every=3, epochs=6) == pytest.approx(
        [1] * 6 + [0.1] * 6
    )


def test_multi_step_drops_at_its_epochs() -> None:
    found = factors(10, 2, schedule="multi-step", milestones=(1, 4), gamma=0.1)
    assert found == pytest.approx([1, 1] + [0.1] * 6 + [0.01] * 2)


def test_poly_falls_to_nothing() -> None:
    assert factors(4, schedule="poly") == pytest.approx([1, 0.75, 0.5, 0.25])
    assert factors(4, schedule="poly", power=2.0) == pytest.approx([1, 0.5625, 0.25, 0.0625])


def test_one_cycle_is_torchs() -> None:
    from torch import nn, optim

    optimizer = optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0, momentum=0.9)
    oracle = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=1001)
    found = factors(1000, schedule="one-cycle")
    for step in range(1000):
        assert found[step] == pytest.approx(optimizer.param_groups[0]["lr"], abs=4e-3)
        optimizer.step()
        oracle.step()


def test_warm_up_stands_in_front_of_any() -> None:
    for word in ("cosine", "poly", "step", "one-cycle"):
        assert factors(8, schedule=word, warm_up=2)[:2] == [0.5, 1.0]


def test_plateau_drops_after_evaluations_without_a_lower_loss() -> None:
    choices = TrainChoices(schedule="plateau", plateau_wait=2, gamma=0.5)
    losses = [3.0, 2.0, 2.5, 2.0, 2.1, 1.0, 1.5, 1.5, 1.5, 1.5]
    found = [rate_factor(choices, 5, 10, 1, losses[:n]) for n in range(len(losses) + 1)]
    assert found == [1, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25]
    assert drops([], 1) == 0
    assert drops([math.nan] * 4, 3) == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"schedule": "cosin"}, "did you mean cosine"),
        ({"schedule": "multi-step"}, "needs milestones"),
        ({"gamma": 0.0}, "gamma=0.0 is no factor"),
        ({"drop_every": 0}, "drop_every=0 schedules nothing"),
        ({"plateau_wait": 0}, "plateau_wait=0 schedules nothing"),
        ({"warm_up": -1}, "warm_up=-1 is no number"),
    ],
)
def test_what_schedules_nothing_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        checked(TrainChoices(**given))  # type: ignore[arg-type]
