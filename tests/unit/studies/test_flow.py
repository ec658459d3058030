"""The flow: theory beside measurement, in every state a net can be in."""

from typing import Any

import pytest

from undertow.api.lab import flow, flow_text
from undertow.core.errors import UsageError

FACTORS = (  # published or mean-field: the gradient kept at each layer
    ("sigmoid", "xavier-uniform", 0.236),
    ("relu", "he-normal", 1.0),
    ("relu", "xavier-uniform", 0.7071),
    ("relu", "torch", 0.4082),
    ("relu", "normal:0.01", 0.1131),
)


@pytest.mark.parametrize(("act", "init", "factor"), FACTORS)
def test_theory_and_measurement_meet(act: str, init: str, factor: float) -> None:
    found = flow(act=act, init=init)
    assert found.theory_factor == pytest.approx(factor, rel=0.03)
    assert found.gradient_factor == pytest.approx(factor, rel=0.05)
    for row in found.rows:
        assert row.forward == pytest.approx(row.theory_forward, rel=0.35)


def test_norms_and_skips_have_no_theory() -> None:
    for found in (flow(norm="batch"), flow(skip="projection", depth=21)):
        assert found.theory_factor is None
        assert all(r.theory_forward is None for r in found.rows)
        assert "no theory" in flow_text(found)


def test_the_rate_moves_the_update_only() -> None:
    one, ten = flow(lr=0.01, depth=5), flow(lr=0.1, depth=5)
    assert [r.gradient for r in one.rows] == [r.gradient for r in ten.rows]
    for a, b in zip(one.rows, ten.rows, strict=True):
        assert a.update is not None
        assert b.update == pytest.approx(10 * a.update, rel=1e-3)


def test_clipping_moves_the_update_only() -> None:
    plain, cut = flow(depth=5), flow(depth=5, clip_norm=0.01)
    assert [r.gradient for r in plain.rows] == [r.gradient for r in cut.rows]
    assert (cut.rows[0].update or 1) < (plain.rows[0].update or 0)


@pytest.mark.parametrize("init", ["normal:1e-9", "normal:100"])
def test_underflow_and_overflow_are_told_not_raised(init: str) -> None:
    text = flow_text(flow(init=init, depth=40), ascii_only=True)
    assert text.isascii()
    assert "underflows, overflows" in text or "decades" in text


def test_one_layer_has_no_factor() -> None:
    found = flow(depth=1)
    assert found.gradient_factor is None
    assert len(found.rows) == 1


def test_bad_input_is_told() -> None:
    with pytest.raises(UsageError, match="input_scale"):
        flow(input_scale=0)
    with pytest.raises(UsageError, match="depth=0"):
        flow(depth=0)
    with pytest.raises(UsageError, match="did you mean sigmoid"):
        flow(act="sigmoyd")


@pytest.mark.parametrize(
    "given",
    [
        {"lr": -1.0},
        {"lr": 0.0},
        {"lr": float("nan")},
        {"clip_norm": 0.0},
        {"width": 100_000},
        {"width": 0},
        {"seed": -1},
        {"seed": 2**70},
    ],
)
def test_what_cannot_be_is_told_by_name(given: dict[str, Any]) -> None:
    (name,) = given
    with pytest.raises(UsageError, match=f"{name}="):
        flow(depth=2, **given)


def test_a_huge_input_is_a_result() -> None:
    assert len(flow(depth=2, width=8, input_scale=1e300).rows) == 2


def test_one_call_is_quick() -> None:
    flow()
    flow(act="sigmoid", init="xavier-uniform", seed=3)
