"""What asks for a closer look."""

import math

import pytest

from undertow.core.record import Column, Scalars, Snapshot
from undertow.instrument.suspicion import (
    BEFORE,
    Suspicion,
    is_bad,
    is_near_verdict,
    is_verdict,
)


def usual(loss: float = 1.0) -> Suspicion:
    seen = Suspicion()
    for step in range(BEFORE):
        assert not seen.raised(Scalars(step, loss))
    return seen


@pytest.mark.parametrize(("loss", "raised"), [(2.9, False), (3.1, True), (math.nan, False)])
def test_a_loss_three_times_the_median_stands_out(loss: float, raised: bool) -> None:
    assert usual().raised(Scalars(20, loss)) is raised


def test_a_loss_near_zero_jumps_by_chance() -> None:
    seen = Suspicion()
    seen.raised(Scalars(0, 1.0))
    for step in range(BEFORE):
        seen.raised(Scalars(step, 0.01))
    assert not seen.raised(Scalars(30, 0.1))
    assert seen.raised(Scalars(31, 0.2))


def test_one_low_loss_among_the_last_is_not_the_usual_one() -> None:
    seen = usual()
    seen.raised(Scalars(20, 0.1))
    assert not seen.raised(Scalars(21, 1.0))  # ten times the lowest, once the median


@pytest.mark.parametrize(("norm", "raised"), [(9.9, False), (10.1, True), (math.inf, False)])
def test_a_gradient_ten_times_the_median_stands_out(norm: float, raised: bool) -> None:
    seen = Suspicion()
    assert not any(seen.raised(Scalars(s, grad_norm=1.0)) for s in range(3))
    assert seen.raised(Scalars(3, grad_norm=norm)) is raised


def test_two_gradients_are_too_few_to_compare_with() -> None:
    seen = Suspicion()
    assert not any(seen.raised(Scalars(s, grad_norm=10.0**s)) for s in (0, 2, 4))


def test_bad_is_what_is_not_finite() -> None:
    row = Snapshot(0, (Column("nonfinite", (0.0, None, 3.0)),))
    assert is_bad(Scalars(0, 1.0), row)
    assert is_bad(Scalars(0, math.inf), None)
    assert not is_bad(Scalars(0, 1.0), Snapshot(0, (Column("nonfinite", (0.0, None)),)))
    assert not is_bad(Scalars(0), None)


def test_verdicts_come_at_100_and_its_doublings() -> None:
    assert [s for s in range(1000) if is_verdict(s)] == [100, 200, 400, 800]


def test_the_steps_whose_losses_a_verdict_needs() -> None:
    """Fifty up to the first (a trend needs them), five up to the later ones."""
    near = [step for step in range(401) if is_near_verdict(step)]
    assert near == [*range(51, 101), *range(196, 201), *range(396, 401)]
