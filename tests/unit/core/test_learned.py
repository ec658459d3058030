"""Slow is not stuck: probe steps that are on their way below guessing count as learning."""

from typing import Any

from tests.cases.records import ADAM, CONST, SGD, check
from undertow.core.learned import learned
from undertow.core.record import LinePoint, OptimizerFacts, Record


def probed(*losses: float) -> Record:
    return Record(kind="check", const_loss=2.0, one_batch=losses)


def test_a_steady_fall_that_will_get_there_is_learning() -> None:
    falling = [2.3 - 0.009 * i for i in range(51)]  # ends at .93, .9 is 6 steps away
    assert learned(probed(*falling)) is True


def test_a_fall_that_ends_too_high_within_as_many_steps_is_not() -> None:
    creeping = [2.3 - 0.002 * i for i in range(51)]  # ends at 1.1, then at 1.05
    assert learned(probed(*creeping)) is False


def test_a_loss_that_rises_at_the_end_is_not() -> None:
    bouncing = [2.3 - 0.02 * i for i in range(25)] + [1.82 + 0.02 * i for i in range(26)]
    assert learned(probed(*bouncing)) is False


def test_a_flat_loss_at_guessing_is_not() -> None:
    assert learned(probed(*([2.0] * 51))) is False


def test_a_loss_thrown_far_off_on_its_way_is_not_unless_it_stays_low() -> None:
    """Back below guessing at the end: 201 times the constant loss in between is beyond 100."""
    low, swings = [0.5] * 22, [0.5] * 18 + [4.0] + [0.5] * 3
    assert learned(probed(2.0, 402.0, *swings)) is False
    assert learned(probed(2.0, 402.0, *low)) is True
    assert learned(probed(2.0, 402.0, *low[:16])) is False  # too few to be called staying
    assert learned(probed(2.0, 198.0, *swings)) is True
    assert learned(probed(0.01, 198.0, *swings)) is True  # a trained start: guessing is the measure


def far_above(factor: float, optimizer: OptimizerFacts = ADAM, **given: Any) -> bool | None:
    """Losses from a thousand times guessing, each so many times the one before."""
    losses = tuple(1000 * CONST * factor**i for i in range(51))
    return learned(check(one_batch=losses, optimizer=optimizer, **given))


def test_a_steep_fall_by_adam_from_far_above_guessing_is_on_its_way() -> None:
    assert far_above(0.95) is True  # 77 times guessing after 50 steps
    assert far_above(0.96) is False  # 130 times: not a tenth of the start
    assert far_above(0.95, SGD) is False  # its steps grow with the gradient
    assert far_above(0.95, update_ratio=0.2) is False  # steps that may break the net


def test_a_steep_fall_that_ends_above_guessing_is_not() -> None:
    """A tenth of the start is soon reached where the loss comes down to its constant answer."""
    down = [1000 * CONST * 0.8**i for i in range(26)]
    flat = (*down, *(down[-1] * (1 - 0.01 * i) for i in range(25)))
    assert learned(check(one_batch=flat, optimizer=ADAM)) is False


def slow(step: float, optimizer: OptimizerFacts = SGD, **given: Any) -> bool | None:
    """From just below guessing down by so much of it at every step; best far above the rate."""
    losses = tuple(CONST * (0.999 - step * i) for i in range(51))
    far = (LinePoint(1.0, 2.0), LinePoint(1000.0, 1.0))
    return learned(check(one_batch=losses, line=far, optimizer=optimizer, **given))


def test_a_slow_fall_at_a_rate_called_small_is_on_its_way_if_it_gets_there_in_200_steps() -> None:
    assert slow(0.0005, update_ratio=2.5e-4) is True  # .974 then, .874 after 200 more
    assert slow(0.0003, update_ratio=2.5e-4) is False  # .984, .924
    assert slow(0.0005, update_ratio=1.5e-4) is False  # no layer moves
    assert slow(0.0005, ADAM, update_ratio=2.5e-4) is False  # any start moves Adam's steps alike
