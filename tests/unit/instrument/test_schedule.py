"""The sampling plan: a dense start, then what the budget allows."""

import pytest

from undertow.instrument.schedule import GAPS, START, TARGET, Schedule


def steps(schedule: Schedule, count: int, bare: float = 1.0, extra: float = 0.5) -> list[int]:
    """Run a plan where a sampled step costs `extra` more; the steps sampled."""
    taken = []
    for step in range(count):
        sampled = schedule.due(step)
        if sampled:
            taken.append(step)
            schedule.sampled(step, 0.0)
        schedule.took(step, bare + (extra if sampled else 0.0))
    return taken


def test_the_start_is_dense_and_then_the_budget_rules() -> None:
    taken = steps(Schedule(0.01), 2000, extra=0.75)
    assert tuple(s for s in taken if s <= 100) == START
    later = [s for s in taken if s > 100]
    gaps = {b - a for a, b in zip([100, *later], later, strict=False)}
    assert gaps == {152}  # .75 on a step of 1, at half of one per cent: 150, then whole eights
    assert len(later) * 0.75 <= TARGET * 0.01 * 1900


@pytest.mark.parametrize(
    ("extra", "gap"), [(0.5, 100), (5.0, 1000), (1e-6, GAPS[0]), (1e6, GAPS[1])]
)
def test_the_gap_follows_the_cost(extra: float, gap: int) -> None:
    schedule = Schedule(0.01)
    steps(schedule, 110, extra=extra)
    assert schedule.gap == gap


def test_after_effects_on_the_next_two_steps_count() -> None:
    schedule = Schedule(0.01)
    for step in range(70):
        if schedule.due(step):
            schedule.sampled(step, 0.0)
        schedule.took(step, 1.5 if step in (64, 65, 66, 32, 33, 34, 16, 17, 18) else 1.0)
    assert schedule.gap == pytest.approx(300, rel=0.01)


def test_our_own_time_is_the_least_cost() -> None:
    schedule = Schedule(0.01)
    for step in range(70):
        if schedule.due(step):
            schedule.sampled(step, 0.2)
        schedule.took(step, 1.0)  # the extra drowned in noise
    assert schedule.gap == pytest.approx(40)


def test_every_takes_the_place_of_plan_and_budget() -> None:
    assert steps(Schedule(0.01, every=7), 30, extra=100.0) == [0, 7, 14, 21, 28]


def test_suspicion_samples_the_next_step_but_not_each_one() -> None:
    schedule = Schedule(0.01)
    taken = []
    for step in range(80):
        if schedule.due(step):
            taken.append(step)
            schedule.sampled(step, 0.0)
        schedule.took(step, 1.0)
        if step >= 40:
            schedule.suspect(step)
    assert [s for s in taken if s > 40] == [41, 61, 64]


def test_before_any_timing_the_gap_is_the_length_of_the_start() -> None:
    assert Schedule(0.01).gap == START[-1]
