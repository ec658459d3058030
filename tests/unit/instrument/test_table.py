"""From cells to columns: ratios, scale, what was not measured, the origin."""

import math

import pytest
import torch
from torch import nn

from undertow.instrument.rows import Row
from undertow.instrument.table import Norms, Origin, Table, norms_of
from undertow.instrument.units import DeadUnits


def row(key: str, order: int = 0, **cells: float) -> Row:
    layer = nn.Linear(2, 2)
    found = Row(key, key, layer, order, [layer.weight])
    forward = {k: torch.tensor(v) for k, v in cells.items() if not k.startswith("grad")}
    backward = {k: torch.tensor(v) for k, v in cells.items() if k.startswith("grad")}
    found.forward, found.backward = [forward], [backward] if backward else []
    return found


def table(rows: list[Row], norms: dict[str, float] | None = None, data: float = 0.0) -> Table:
    made = {
        name: Norms(
            [id(r.weights[0]) for r in rows] if norms and name in norms else [],
            torch.full((len(rows),), norms[name]) if norms and name in norms else torch.zeros(0),
        )
        for name in ("wgrad_l2", "weight_l2", "change")
    }
    return Table(rows, DeadUnits(), [torch.tensor(data)], made)


def test_only_what_was_measured_has_a_column() -> None:
    snap = table([row("a", act_rms=1 / 3, nonfinite=0.0), row("b", grad_l2=2.0)]).snapshot(3, 1.0)
    assert {c.stat: c.values for c in snap.columns} == {
        "act_rms": (0.333333, None),
        "grad_l2": (None, 2.0),
        "nonfinite": (0.0, None),
    }
    assert snap.step == 3


def test_ratios_and_the_loss_scale() -> None:
    norms = {"wgrad_l2": 8.0, "weight_l2": 4.0, "change": 1.0}
    rows = [row("a", act_rms=1.0, grad_l2=16.0)]
    snap = table(rows, norms).snapshot(0, 2.0)
    assert {c.stat: c.values[0] for c in snap.columns} == {
        "act_rms": 1.0,
        "grad_l2": 8.0,
        "wgrad_l2": 4.0,
        "weight_l2": 4.0,
        "rel_grad": 1.0,
        "update_ratio": 0.25,
    }
    assert table(rows, norms).grad_norm(2.0) == 4.0
    assert table(rows).grad_norm(1.0) is None


def test_a_weight_of_zeros_has_no_ratio() -> None:
    norms = {"wgrad_l2": 8.0, "weight_l2": 0.0, "change": 1.0}
    snap = table([row("a")], norms).snapshot(0, 1.0)
    assert snap.column("rel_grad") == snap.column("update_ratio") == ()
    assert snap.column("weight_l2") == (0.0,)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_the_origin_is_the_first_bad_row(bad: float) -> None:
    kind = "nan" if math.isnan(bad) else "inf"
    good = {"act_max": 3.0, "nonfinite": 0.0}
    rows = [row("a", **good), row("b", act_max=bad, nonfinite=2.0), row("c", act_max=1e9)]
    assert table(rows).origin() == Origin("b", "forward", kind, 3.0)
    assert table(rows, data=bad).origin() == Origin("input", "forward", kind, 0.0)
    assert table([row("a", **good)]).origin() is None


def test_backwards_the_origin_is_nearest_the_loss() -> None:
    rows = [row("a"), row("b"), row("c")]
    for found, top, count in zip(rows, (math.inf, math.inf, 7.0), (4.0, 1.0, 0.0), strict=True):
        found.backward = [{"grad_max": torch.tensor(top), "nonfinite": torch.tensor(count)}]
    assert table(rows).origin() == Origin("b", "backward", "inf", 7.0)


def test_change_is_only_of_weights_that_were_copied() -> None:
    kept, moved = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2, 2))
    before = {id(moved): torch.zeros(2, 2)}
    norms = norms_of([kept, moved], before)
    assert norms["change"].ids == [id(moved)]
    assert norms["change"].values.tolist() == [2.0]
    assert norms["weight_l2"].values.tolist() == [2.0, 0.0]  # as they were before
