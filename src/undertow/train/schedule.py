"""Learning-rate schedules: pure functions of the step, so that a resume needs only the step."""

import math
from collections.abc import Callable, Sequence

from undertow.core.errors import UsageError, unknown
from undertow.core.plan import TrainChoices

SCHEDULES = ("constant", "cosine", "step", "multi-step", "one-cycle", "poly", "plateau")
RISE = 0.3  # share of a cycle in which the rate rises: Smith & Topin 2018, as torch has it
START = 25.0  # peak rate over the first one of a cycle: there too
END = 1e4  # first rate of a cycle over its last: there too


def checked(choices: TrainChoices) -> None:
    """Nothing, where the schedule's words and numbers make sense together.

    Raises:
        UsageError: an unknown word, or a number that schedules nothing.
    """
    if choices.schedule not in SCHEDULES:
        raise unknown("schedule", choices.schedule, SCHEDULES)
    if choices.schedule == "multi-step" and not choices.milestones:
        raise UsageError(
            "schedule='multi-step' needs milestones, the epochs of its drops, as 30,60"
        )
    for name, value in (("drop_every", choices.drop_every), ("plateau_wait", choices.plateau_wait)):
        if value < 1:
            raise UsageError(f"{name}={value} schedules nothing; give 1 or more")
    if not 0 < choices.gamma <= 1:
        raise UsageError(f"gamma={choices.gamma} is no factor for a drop; give one in (0, 1]")
    if choices.warm_up < 0:
        raise UsageError(f"warm_up={choices.warm_up} is no number of steps; give 0 or more")


def rate_factor(
    choices: TrainChoices, step: int, total: int, epoch: int = 0, losses: Sequence[float] = ()
) -> float:
    """What the base rate is multiplied by at a step: a pure function, so resume needs only it.

    Linear warm-up over `warm_up` steps, then the schedule: cosine to 0 at `total` (Loshchilov &
    Hutter 2017, eq. 5), one cycle up and down by cosines (Smith & Topin 2018), (1 − t)^power,
    or drops by `gamma`.

    Args:
        choices: schedule, warm-up and their numbers.
        step: from 0.
        total: steps in all.
        epoch: steps of one epoch; 0 takes total / epochs.
        losses: held-back losses so far, oldest first; only plateau looks at them.
    """
    if step < choices.warm_up:
        return (step + 1) / choices.warm_up
    shape = SHAPES.get(choices.schedule)
    if shape is not None:
        done = (step - choices.warm_up) / max(1, total - choices.warm_up)
        return shape(min(1.0, done), choices)
    if choices.schedule == "plateau":
        return choices.gamma ** drops(losses, choices.plateau_wait)
    now = step // (epoch or max(1, round(total / max(1, choices.epochs))))
    if choices.schedule == "step":
        return choices.gamma ** (now // choices.drop_every)
    if choices.schedule == "multi-step":
        return choices.gamma ** sum(now >= m for m in choices.milestones)
    return 1.0


def _cosine(done: float, choices: TrainChoices) -> float:
    return 0.5 * (1 + math.cos(math.pi * done))


def _poly(done: float, choices: TrainChoices) -> float:
    return float((1 - done) ** choices.power)


def _one_cycle(done: float, choices: TrainChoices) -> float:
    if done < RISE:
        return _between(1 / START, 1.0, done / RISE)
    return _between(1.0, 1 / (START * END), (done - RISE) / (1 - RISE))


def _between(start: float, end: float, done: float) -> float:
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * done))


SHAPES: dict[str, Callable[[float, TrainChoices], float]] = {
    "cosine": _cosine,
    "poly": _poly,
    "one-cycle": _one_cycle,
}


def drops(losses: Sequence[float], wait: int) -> int:
    """How often `wait` evaluations in a row brought no lower loss; each drop starts anew."""
    best, bad, found = math.inf, 0, 0
    for loss in losses:
        bad = 0 if loss < best else bad + 1
        best = min(best, loss)
        if bad > wait:
            found, bad = found + 1, 0
    return found
