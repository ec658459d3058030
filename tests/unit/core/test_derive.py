"""Numbers of a whole net: decay, robust slope, trend, the gate, stability, the line."""

import math
import random
from dataclasses import replace
from typing import Any

import pytest

from tests.cases.records import (
    ADAM,
    CONST,
    RAW,
    SGD,
    check,
    falling,
    layers,
    line,
    run,
    snapshot,
)
from undertow.core.decay import decay, theil_sen
from undertow.core.derive import (
    across,
    base_rate,
    growth,
    guess,
    held,
    largest_update,
    line_at,
    line_best,
    moving,
    normed_first,
    progress,
    raw_input,
    smoothed,
    spread,
    stability,
    trend,
    window,
)
from undertow.core.learned import learned, one_batch_progress
from undertow.core.record import Layer, OptimizerFacts, Record, Scalars, Snapshot

NAN = math.nan


@pytest.mark.parametrize("ratio", [0.5, 0.9, 1.0, 2.0])
def test_decay_of_a_geometric_fall_is_exact(ratio: float) -> None:
    found = decay({f"l{i}": g for i, g in enumerate(falling(ratio))})
    assert found is not None
    assert found.total == pytest.approx(-19 * math.log10(ratio))
    assert found.per_layer == pytest.approx(-math.log10(ratio))
    assert found.fit == pytest.approx(1.0)


def test_decay_reads_far_below_float32() -> None:
    found = decay({"a": 1e-300, "b": 1.0})
    assert found is not None
    assert found.total == pytest.approx(300)


def test_underflow_is_no_number_and_all_zero_is_none() -> None:
    found = decay({"a": 0.0, "b": 1.0})
    assert found is not None
    assert found.underflow
    assert decay({"a": 0.0, "b": 0.0}) is None
    assert decay({"a": 1.0, "b": 0.0}) is None  # dead at the top: not a loss on the way down
    assert decay({"a": NAN, "b": 1.0}) is None
    assert decay({"a": 1.0}) is None


def test_the_slope_withstands_an_outlier() -> None:
    y = [0.1 * i for i in range(21)]
    y[10] = 50.0
    assert theil_sen(y)[0] == pytest.approx(0.1, rel=1e-6)


def test_growth_spread_across() -> None:
    record = check(act_rms=[1.0, *(10.0,) * 19], spread=[0.9] * 19 + [0.2])
    snap = record.snapshots[0]
    assert growth(record, snap) == pytest.approx(1.0)
    assert spread(record, snap) == 0.2
    assert across(record, snap) == pytest.approx(2.0)
    assert spread(record, Snapshot(0, ())) == 1.0
    assert across(record, Snapshot(0, ())) is None


def test_smoothed_is_the_median_of_ten_and_skips_holes() -> None:
    record = run([100.0, *(1.0,) * 9, 3.0])
    assert smoothed(record, 9) == 1.0
    assert smoothed(record, 0) == 100.0
    holes = replace(record, metrics=tuple(Scalars(m.step) for m in record.metrics))
    assert smoothed(holes, 10) is None
    assert smoothed(run([1.0, NAN]), 1) == math.inf
    assert smoothed(run([1.0, NAN]), 0) == 1.0


@pytest.mark.parametrize("sampled", [1, 3])
def test_trend_is_a_slope_per_step_also_where_losses_are_sparse(sampled: int) -> None:
    metrics = tuple(Scalars(i, 5 - 0.01 * i) for i in range(0, 300, sampled))
    assert trend(Record(metrics=metrics), 299) == pytest.approx(-0.01)


def test_trend_withstands_noise() -> None:
    draw = random.Random(0)
    losses = [2.3 + draw.gauss(0, 0.1) for _ in range(100)]
    assert abs(trend(run(losses), 99) or 0.0) < 2e-3
    assert trend(run([2.3] * 10), 9) is None


@pytest.mark.parametrize(("per_step", "moves"), [(0.00112, True), (0.00108, False)])
def test_moving_needs_two_percent_in_twenty_steps(per_step: float, moves: bool) -> None:
    losses = [1.1 - per_step * (i - 99) for i in range(100)]
    assert moving(run(losses, const_loss=None), 99) is moves


@pytest.mark.parametrize(("above", "moves"), [(0.28, True), (0.29, False)])
def test_moving_must_come_below_guessing_in_100_steps(above: float, moves: bool) -> None:
    losses = [CONST * (0.9 + above - 0.003 * (i - 99)) for i in range(100)]
    assert moving(run(losses), 99) is moves


def test_progress_and_learned() -> None:
    assert progress(run([CONST] * 20), 19) == pytest.approx(1.0)
    assert progress(run([CONST] * 20, const_loss=None), 19) is None
    assert learned(check(learns=None)) is None
    assert learned(check(learns=True)) is True
    assert one_batch_progress(check(one_batch=(CONST, NAN))) == math.inf
    assert one_batch_progress(check(one_batch=(4.0, 2.0), const_loss=None)) == 0.5


def test_low_ground_on_the_way_is_no_success() -> None:
    dips = (CONST, 0.5 * CONST, 2 * CONST, 2 * CONST, 2 * CONST)
    assert learned(check(one_batch=dips)) is False
    assert learned(check(one_batch=dips[:-1])) is True


@pytest.mark.parametrize(
    ("facts", "value"),
    [
        (SGD, 5.0),
        (OptimizerFacts("SGD", 0.1, 0.9), 10 / 3.8),
        (OptimizerFacts("SGD", 0.1, 0.9, nesterov=True), 10 / (3.8 / 2.8)),
        (ADAM, None),
        (OptimizerFacts(), None),
    ],
)
def test_stability(facts: OptimizerFacts, value: float | None) -> None:
    found = stability(check(curvature=100.0, optimizer=facts))
    assert found == (None if value is None else pytest.approx(value))
    assert stability(check()) is None


def test_line() -> None:
    record = check(line=line(3.0, 2.0, NAN, 4.0))
    assert line_best(record) == pytest.approx(0.01)
    assert line_at(record, 1.0) == 4.0
    assert line_at(record, 10.0) is None
    assert line_best(check(line=())) is None


def test_base_rate() -> None:
    assert base_rate(check()) == 0.1
    assert base_rate(check(optimizer=OptimizerFacts(), facts=(("line_lr", "0.05"),))) == 0.05
    assert base_rate(check(optimizer=OptimizerFacts())) is None


def test_guess() -> None:
    assert guess(check()) == pytest.approx(math.log(10))
    assert guess(check(loss="bce")) == pytest.approx(math.log(2))
    assert guess(check(loss="mse")) is None


@pytest.mark.parametrize(
    ("rms", "top", "raw"),
    [(5.1, 9.0, True), (4.9, 9.0, False), (1.0, 31.0, True), (1.0, 29.0, False)],
)
def test_raw_input(rms: float, top: float, raw: bool) -> None:
    assert raw_input(check(input=replace(RAW, rms=rms, abs_max=top))) is raw


def test_a_norm_first_makes_raw_input_harmless() -> None:
    assert normed_first(check(layers=layers(norm="batch")))
    assert not normed_first(check(layers=layers(norm="lrn")))
    after = (*layers(1)[:1], Layer("bn", "BatchNorm1d", 1, role="norm"), *layers(3)[1:])
    assert normed_first(check(layers=after))
    late = (*layers(2)[:2], Layer("bn", "BatchNorm1d", 2, role="norm"))
    assert not normed_first(check(layers=late))


def test_held_needs_three_rows_in_a_run_and_one_before() -> None:
    def bad(snap: Snapshot) -> int | None:
        return snap.step if snap.step >= 20 else None

    record = replace(run(), snapshots=tuple(snapshot(s) for s in (0, 20, 50)))
    assert held(record, bad) is None
    longer = replace(record, snapshots=(*record.snapshots, snapshot(99)))
    assert held(longer, bad) == (20, 99)
    assert held(check(), lambda snap: True) == (0, True)
    assert held(check(snapshots=()), lambda snap: True) is None


def test_window_and_largest_update() -> None:
    assert window(run([float(i) for i in range(30)]), 29) == tuple(map(float, range(10, 30)))
    assert window(check(), 0) == (CONST,) * 20
    record = check(update_ratio=[0.5, math.inf, *(0.1,) * 18])
    assert largest_update(record, record.snapshots[0]) == 0.5
    assert largest_update(record, Snapshot(0, ())) is None


@pytest.mark.parametrize(("norm", "waits"), [("", False), ("layer", False), ("batch", True)])
def test_the_way_back_from_a_throw_is_no_learning(norm: str, waits: bool) -> None:
    """Falling through the constant loss 45 steps behind a throw to five times the start."""
    losses = [CONST, *(CONST * 5,) * 10, *(CONST * (1.45 - 0.005 * i) for i in range(100))]
    thrown = run(losses, layers=layers(norm=norm))
    assert moving(thrown, len(losses) - 1) is waits
    assert moving(run(losses[11:], layers=layers(norm=norm)), 99)


def _probed(losses: list[float], **given: Any) -> bool | None:
    return learned(check(one_batch=tuple(losses), **given))


def test_the_probe_steps_are_on_their_way_only_from_lower_ground() -> None:
    """Not on the way back from a throw, nor above the constant loss or what was reached before."""
    falls = [CONST * (1.1 - 0.0035 * i) for i in range(51)]
    assert _probed(falls)
    assert _probed([CONST, CONST * 1.6, *falls[2:]]) is False
    assert _probed([v + 0.11 * CONST for v in falls]) is False
    assert _probed([CONST, CONST * 0.89, *falls[2:]], update_ratio=1e-4) is False


def test_the_probe_steps_may_be_slow_below_the_constant_loss() -> None:
    """Where the loss falls at each step and neither the rate nor the gradient is too small."""
    slow = [CONST * (1 - 0.0006 * i) for i in range(51)]
    assert _probed(slow)
    assert _probed(slow, update_ratio=1e-4) is False
    assert _probed(slow, grad_l2=falling(0.7)) is False
    assert _probed([*slow[:40], slow[38], *slow[41:]]) is False


@pytest.mark.parametrize(
    ("low", "step", "counts"), [(1.6, 0.01, True), (2.1, 0.01, False), (1.6, 0.0, False)]
)
def test_a_net_thrown_from_ground_it_had_learned_may_come_back(
    low: float, step: float, counts: bool
) -> None:
    """The demo's eight layers of ReLU: 1.63, thrown to 4.6, and down again at every step."""
    losses = (CONST, low, 2 * CONST, *(2.38 - step * i for i in range(30)))
    assert learned(check(one_batch=losses)) is counts
