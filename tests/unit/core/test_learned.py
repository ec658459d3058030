"""Slow is not stuck: probe steps that are on their way below guessing count as learning."""

from undertow.core.derive import learned
from undertow.core.record import Record


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


def test_a_loss_thrown_far_off_on_its_way_is_not() -> None:
    """Back below guessing at the end: 201 times the constant loss in between is beyond 100."""
    end = [0.5] * 20
    assert learned(probed(2.0, 402.0, *end)) is False
    assert learned(probed(2.0, 198.0, *end)) is True
    assert learned(probed(0.01, 198.0, *end)) is True  # a trained start: guessing is the measure
