"""UT101: both sides of every limit, the gate, Adam, the start rule."""

import math
from dataclasses import replace
from typing import Any

import pytest

from tests.cases.records import ADAM, CONST, check, falling, record_with, run, snapshot
from undertow.core.decay import Decay
from undertow.diagnosis.symptoms.vanishing import beyond, vanishing_gradient


@pytest.mark.parametrize("ratio", [0.5, 0.25, 0.0])
def test_fires_and_names_the_starved_layers(ratio: float) -> None:
    (found,) = vanishing_gradient.run(record_with(ratio, stuck=True))  # × ratio a layer, 20 layers
    assert found.layers[0] == "l0"
    assert "l19" not in found.layers


@pytest.mark.parametrize("ratio", [0.9, 1.0, 2.0])
def test_silent_on_healthy_depth(ratio: float) -> None:
    assert not vanishing_gradient.run(record_with(ratio, stuck=True))


def test_silent_where_the_net_learns() -> None:
    assert not vanishing_gradient.run(record_with(0.25, stuck=False))


@pytest.mark.parametrize(("total", "fires"), [(2.999, False), (3.001, True)])
def test_limit_of_three_decades(total: float, fires: bool) -> None:
    grads = [10**-total, *(1.0,) * 19]  # one step at the input: no slope
    assert bool(vanishing_gradient.run(check(grad_l2=grads))) is fires


@pytest.mark.parametrize(("keeps", "fires"), [(0.66, True), (0.68, False)])
def test_limit_of_a_layer(keeps: float, fires: bool) -> None:
    assert bool(vanishing_gradient.run(check(grad_l2=falling(keeps, 7), depth=7))) is fires


@pytest.mark.parametrize(("depth", "fires"), [(4, False), (5, True)])
def test_the_slope_needs_five_layers(depth: int, fires: bool) -> None:
    assert bool(vanishing_gradient.run(check(grad_l2=falling(0.5, depth), depth=depth))) is fires


def test_the_slope_needs_a_fit() -> None:
    ragged = Decay(total=2.0, per_layer=0.3, fit=0.79, layers=7)
    assert beyond(check(), ragged, 0, "l0") is None
    assert beyond(check(), replace(ragged, fit=0.81), 0, "l0") is not None


def test_underflow_is_a_state_of_its_own() -> None:
    (found,) = vanishing_gradient.run(check(grad_l2=[0.0, *(1.0,) * 19]))
    assert found.evidence[0].stat == "grad_l2"
    assert found.evidence[0].value == 0
    assert found.layers == ("l0",)
    assert "exactly 0" in found.says


def test_adam_waits_unless_the_signal_collapsed() -> None:
    record = replace(check(grad_l2=falling(0.5)), optimizer=ADAM)
    assert not vanishing_gradient.run(record)
    collapsed = replace(check(grad_l2=falling(0.5), spread=0.019), optimizer=ADAM)
    assert vanishing_gradient.run(collapsed)
    stays = replace(run(grad_l2=falling(0.5)), optimizer=ADAM)
    assert vanishing_gradient.run(stays)


@pytest.mark.parametrize(
    ("total", "flat", "fires"), [(5.1, 0.029, True), (4.9, 0.029, False), (5.1, 0.031, False)]
)
def test_start_rule_without_probe_steps(total: float, flat: float, fires: bool) -> None:
    grads = [10 ** (-total * (1 - i / 19)) for i in range(20)]
    record = check(learns=None, grad_l2=grads, spread=flat, act_rms=1.0)
    assert bool(vanishing_gradient.run(record)) is fires


def test_says_the_layers_the_share_and_the_limit() -> None:
    grads = [3.7e-4, *(1.0,) * 19]
    (found,) = vanishing_gradient.run(check(grad_l2=grads))
    assert found.says == "the gradient at l0 is 0.00037 of that at l19; limit 0.001"
    assert found.evidence[0].value == pytest.approx(-math.log10(3.7e-4))
    assert found.evidence[0].limit == 3.0


def test_in_training_three_rows_must_agree_and_since_is_the_first() -> None:
    bad: dict[str, Any] = {"grad_l2": falling(0.5)}
    good: dict[str, Any] = {"grad_l2": falling(0.9)}
    base = run((CONST,) * 100)
    rows = [snapshot(s, **bad) for s in (20, 50, 99)]
    late = replace(base, snapshots=(snapshot(0, **good), *rows))
    (found,) = vanishing_gradient.run(late)
    assert found.since == 20
    assert found.evidence[0].step == 99
    broken = replace(base, snapshots=(*rows[:1], snapshot(50, **good), rows[2]))
    assert not vanishing_gradient.run(broken)
    recovered = replace(base, snapshots=(*rows, snapshot(100, **good)))
    assert not vanishing_gradient.run(recovered)


def test_not_measured_is_no_zero() -> None:
    holes = [None if i % 2 else 1.0 for i in range(20)]
    assert not vanishing_gradient.run(check(grad_l2=holes))
    assert not vanishing_gradient.run(check(grad_l2=[math.nan, *(1.0,) * 19]))
    assert not vanishing_gradient.run(check(snapshots=()))
