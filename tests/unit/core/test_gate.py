"""The gate: what counts as progress, what as its lack, and when it is too early to say."""

from dataclasses import replace

import pytest

from tests.cases.records import (
    ADAM,
    CLASSES,
    CONST,
    check,
    falling,
    layers,
    run,
    sparse,
)
from undertow.core.derive import progress
from undertow.core.gate import stuck, verdict_after
from undertow.core.record import Record, Scalars


def answering(losses: list[float], norm: str, right: float) -> Record:
    """A run of these losses with a norm behind every layer and a steady share of right answers."""
    record = run(losses, layers=tuple(replace(y, norm=norm) for y in layers()))
    metrics = tuple(replace(m, accuracy=right) for m in record.metrics)
    return replace(record, metrics=metrics, input=replace(record.input, classes=CLASSES))


def test_the_gate() -> None:
    assert stuck(run([CONST] * 100), 99)
    assert not stuck(run([CONST] * 100), 98)
    assert not stuck(run([0.89 * CONST] * 100), 99)
    assert stuck(check(), 0)
    assert not stuck(check(learns=True), 0)
    assert not stuck(check(learns=None), 0)


@pytest.mark.parametrize(
    ("right", "level", "verdict"),
    [
        (0.3, 3.0, True),  # 10 classes: answering starts at .325
        (0.35, 3.0, False),  # over-confident, and right
        (0.3, 0.95, False),  # below the constant loss the trend decides
        (None, 3.0, False),
    ],
)
def test_above_the_constant_loss_the_answers_decide(
    right: float | None, level: float, verdict: bool
) -> None:
    """The loss falls from far above by itself: at chance after 100 steps it is stuck."""
    slope = 0.05 if level > 1 else 0.002
    falls = [CONST * (level + slope * (100 - i)) for i in range(101)]
    record = run(falls)
    metrics = tuple(replace(m, accuracy=right if m.step > 90 else None) for m in record.metrics)
    known = replace(record, metrics=metrics, input=replace(record.input, classes=CLASSES))
    assert stuck(known, 100) is verdict
    mixed = tuple(replace(m, accuracy=None, mixed_accuracy=m.accuracy) for m in metrics)
    assert stuck(replace(known, metrics=mixed), 100) is verdict
    few = tuple(replace(m, accuracy=right if m.step > 96 else None) for m in record.metrics)
    assert stuck(replace(known, metrics=few), 100) is False


def test_losses_of_sampled_steps_are_smoothed_over_the_last_three() -> None:
    falls = sparse(2.3, 2.3, 2.3, 2.3, 2.3, 2.2, 1.6, 1.0, 0.5)
    assert progress(falls, 100) == pytest.approx(1.0 / CONST)
    assert not stuck(falls, 100)
    assert stuck(sparse(*(2.3,) * 9), 100)


def test_without_a_constant_loss_half_the_first_one_is_progress() -> None:
    assert not stuck(sparse(*(2.3,) * 6, 1.1, 1.1, 1.1, const=None), 100)
    assert stuck(sparse(*(2.3,) * 6, 1.2, 1.2, 1.2, const=None), 100)
    assert not stuck(replace(run([2.3] * 50 + [0.1] * 150), const_loss=None), 199)


@pytest.mark.parametrize(("share", "gate"), [(2.9, False), (3.1, True)])
def test_answers_excuse_a_loss_up_to_three_times_the_constant(share: float, gate: bool) -> None:
    metrics = tuple(Scalars(i, share * CONST, 0.1, accuracy=0.9) for i in range(100))
    assert stuck(replace(run(), metrics=metrics), 99) is gate


@pytest.mark.parametrize(("ratio", "steps"), [(0.7, 100), (0.6, 200), (0.3, 100)])
def test_a_mild_decay_waits_for_step_200(ratio: float, steps: int) -> None:
    """Below the limit a layer and over five layers, but under three decades in all."""
    mild = {"depth": 8, "grad_l2": falling(ratio, 8)}
    assert verdict_after(run(**mild)) == steps
    assert verdict_after(run(**mild, optimizer=ADAM)) == 100
    assert verdict_after(run(**mild, spread=0.29)) == 100


@pytest.mark.parametrize(
    ("moves", "right", "gate"),
    [
        (5e-4, 0.1, True),  # falls towards guessing by steps that move nothing
        (5e-4, 0.4, False),  # it answers
        (5e-3, 0.1, False),  # its steps may bring a turn yet
    ],
)
def test_a_slow_fall_by_steps_that_move_no_layer_is_no_progress(
    moves: float, right: float, gate: bool
) -> None:
    record = run([CONST * (1.2 - 0.0028 * i) for i in range(100)], update_ratio=moves)
    metrics = tuple(replace(m, accuracy=right) for m in record.metrics)
    facts = replace(record.input, classes=CLASSES)
    assert stuck(replace(record, metrics=metrics, input=facts), 99) is gate


@pytest.mark.parametrize(
    ("norm", "low", "end", "gate"),
    [
        ("batch", 0.5, 1.5, False),  # stood well below guessing: it swings
        ("batch", 0.8, 1.5, True),
        ("layer", 0.5, 1.5, False),
        ("none", 0.5, 1.5, True),
        ("batch", 0.5, 4.0, True),  # too far above the constant loss for a swing
    ],
)
def test_a_normalised_net_that_stood_well_below_guessing_swings(
    norm: str, low: float, end: float, gate: bool
) -> None:
    losses = [CONST * (low if i == 40 else end) for i in range(101)]
    assert stuck(answering(losses, norm, 0.1), 100) is gate


@pytest.mark.parametrize(
    ("norm", "start", "end", "fall", "gate"),
    [
        ("layer", 6.0, 1.4, 0.0131, False),  # a quarter of the constant loss in 20 steps
        ("none", 6.0, 1.4, 0.0131, True),  # from a bad start a plain net falls by its bias alone
        ("lrn", 6.0, 1.4, 0.0131, True),
        ("layer", 6.0, 1.4, 0.003, True),  # too slow to be below guessing soon
        ("layer", 6.0, 1.05, 0.004, True),  # slow: guessing may be where it ends
        ("layer", 1.2, 1.4, 0.0131, True),  # thrown above its start: the way back is no learning
    ],
)
def test_a_normed_net_still_coming_down_from_a_bad_start_is_not_stuck(
    norm: str, start: float, end: float, fall: float, gate: bool
) -> None:
    late = [CONST * (end + fall * (80 - i)) for i in range(81)]
    losses = [CONST * start] + [CONST * 2.6] * 20 + late
    assert stuck(answering(losses, norm, 0.1), 101) is gate


@pytest.mark.parametrize(
    ("norm", "right", "start", "fall", "gate"),
    [
        ("batch", 0.4, 1.0, 0.2, False),  # answers, and its loss falls: over-confident, not stuck
        ("batch", 0.4, 1.0, -0.2, True),
        ("batch", 0.1, 1.0, 0.2, True),
        ("layer", 0.4, 60.0, 0.2, True),
    ],
)
def test_a_net_with_batch_norm_that_answers_may_lose_much(
    norm: str, right: float, start: float, fall: float, gate: bool
) -> None:
    losses = [CONST * start] + [CONST * (28 + fall * (100 - i)) for i in range(100)]
    assert stuck(answering(losses, norm, right), 100) is gate


@pytest.mark.parametrize(
    ("right", "fall", "classes", "gate"),
    [
        (0.30, 0.0008, 10, False),  # answers a fifth of the way, and falls by 1.7 % in 20 steps
        (0.27, 0.0008, 10, True),
        (0.30, 0.0002, 10, True),  # hardly falls
        (0.33, 0.0002, 10, False),  # answers a quarter of the way, and falls at all
        (0.33, -0.0002, 10, True),
        (0.62, 0.0008, 2, True),  # a constant answer may be right as often
        (0.30, -0.0008, 10, True),
    ],
)
def test_a_slow_start_that_answers_more_and_more_is_not_stuck(
    right: float, fall: float, classes: int, gate: bool
) -> None:
    record = run([CONST * (0.956 + fall * (100 - i)) for i in range(101)], update_ratio=5e-4)
    metrics = tuple(replace(m, accuracy=right) for m in record.metrics)
    facts = replace(record.input, classes=classes)
    assert stuck(replace(record, metrics=metrics, input=facts), 100) is gate


@pytest.mark.parametrize(("move", "steps"), [(9e-4, 100), (2e-3, 200), (0.9, 200), (1.1, 100)])
def test_batch_norm_with_steps_of_a_usual_size_waits_for_step_200(move: float, steps: int) -> None:
    """The hardest step counts: from a rate too low or too high nothing is waited for."""
    normed = {"layers": layers(norm="batch"), "update_ratio": move}
    assert verdict_after(run(**normed)) == steps
    assert verdict_after(run(**{**normed, "layers": layers(norm="layer")})) == 100
    learning = [CONST * 0.99**i for i in range(101)]
    assert verdict_after(run(learning, **normed)) == 100
    assert stuck(run(**normed), 100) is (steps == 100)
    assert stuck(run((CONST,) * 201, **normed), 200)
