"""What one sampled step measured, on the host: from scalar tensors to the columns of a snapshot."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from undertow.core.codec import rounded
from undertow.core.record import Cell, Column, Snapshot
from undertow.core.stats import COLUMNS
from undertow.instrument.reduce import SIGNED, Number, fetch, l2_each
from undertow.instrument.rows import Row, combined
from undertow.instrument.units import DeadUnits

SCALED = ("grad_l2", "grad_max", "wgrad_l2", "rel_grad")  # proportional to the loss scale
INPUT = "input"  # stands for a layer where the data themselves are not finite
BACK = "nonfinite_back"  # the gradient's share of `nonfinite`

Key = tuple[str, str]  # (row, statistic)


class Origin(NamedTuple):
    """Where a non-finite value came from: the first call that made one of finite inputs.

    `direction` is "forward" or "backward", `kind` "nan" or "inf", `largest` the largest finite
    value before it. The layer "input" means that the data were not finite.
    """

    layer: str
    direction: str
    kind: str
    largest: float


class Norms(NamedTuple):
    """L2 norms by parameter, still on the device: `ids` are those of the parameters."""

    ids: list[int]
    values: Tensor


class Table:
    """The numbers of one sampled step, fetched by one transfer.

    Args:
        rows: in order of their first call.
        units: the dead units, this step's included.
        data: sums of the nets' inputs, one a pass.
        norms: of the gradients, the weights, and the weights' change ("wgrad_l2", "weight_l2",
            "change").
    """

    def __init__(
        self,
        rows: Sequence[Row],
        units: DeadUnits,
        data: Sequence[Number],
        norms: Mapping[str, Norms],
    ) -> None:
        self._rows = rows
        self._cells: dict[Key, list[float]] = {}
        found: list[tuple[Key, Number]] = [((INPUT, "total"), total) for total in data]
        for row in rows:
            found += _cells(row, units)
        values = fetch([t for _, t in found] + [n.values for n in norms.values()])
        for (key, _), (value,) in zip(found, values, strict=False):
            self._cells.setdefault(key, []).append(value)
        behind = zip(norms.items(), values[len(found) :], strict=True)
        self._norms = {name: dict(zip(n.ids, v, strict=True)) for (name, n), v in behind}

    def snapshot(self, step: int, scale: float) -> Snapshot:
        """The columns in which something was measured, as written; gradients over `scale`."""
        columns = []
        for stat in COLUMNS:
            by = scale if stat in SCALED else 1.0
            cells = [self._cell(stat, row) for row in self._rows]
            if any(c is not None for c in cells):
                written = [None if c is None else rounded(c / by) for c in cells]
                columns.append(Column(stat, tuple(written)))
        return Snapshot(step, tuple(columns))

    def grad_norm(self, scale: float) -> float | None:
        """The L2 norm of all gradients, before any clipping; None: there were none."""
        found = self._norms["wgrad_l2"].values()
        return math.hypot(*found) / scale if found else None

    def origin(self) -> Origin | None:
        """Where the first non-finite value came from, in order of execution."""
        data = self._cells.get((INPUT, "total"), [])
        if not all(map(math.isfinite, data)):
            return Origin(INPUT, "forward", "nan" if any(map(math.isnan, data)) else "inf", 0.0)
        keys = [row.key for row in self._rows]
        forward = self._first_bad(keys, "forward", "nonfinite", "act_max")
        return forward or self._first_bad(reversed(keys), "backward", BACK, "grad_max")

    def _cell(self, stat: str, row: Row) -> Cell:
        if stat == "nonfinite":
            both = (*self._cells.get((row.key, stat), ()), *self._cells.get((row.key, BACK), ()))
            return combined(stat, list(both))
        if stat in ("wgrad_l2", "weight_l2"):
            return self._norm(stat, row.weights)
        if stat in ("rel_grad", "update_ratio"):
            over = self._norm("wgrad_l2" if stat == "rel_grad" else "change", row.weights)
            under = self._norm("weight_l2", row.weights)
            return over / under if over is not None and under else None
        return combined(stat, self._cells.get((row.key, stat), []))

    def _norm(self, name: str, weights: Sequence[nn.Parameter]) -> Cell:
        """The norm over those of a row's weights that were measured; None: none was."""
        norms = self._norms[name]
        found = [norms[id(w)] for w in weights if id(w) in norms]
        return math.hypot(*found) if found else None

    def _first_bad(
        self, keys: Iterable[str], direction: str, count: str, top: str
    ) -> Origin | None:
        largest = 0.0
        for key in keys:
            tops = self._cells.get((key, top), [])
            if any(self._cells.get((key, count), [])):
                kind = "nan" if any(map(math.isnan, tops)) else "inf"
                return Origin(key, direction, kind, rounded(largest))
            largest = max([largest, *(t for t in tops if math.isfinite(t))])
        return None


def norms_of(weights: Sequence[nn.Parameter], before: Mapping[int, Tensor]) -> dict[str, Norms]:
    """The norms of the weights (as they were before the update) and of their change since.

    Args:
        weights: as they are now.
        before: copies from before the update, by the parameter's id; they are used up.
    """
    held = [before.get(id(w), w.detach()) for w in weights]
    norms = {"weight_l2": Norms([id(w) for w in weights], l2_each(held))}
    moved = [w for w in weights if id(w) in before]
    change = [before[id(w)] for w in moved]
    if moved:
        torch._foreach_sub_(change, [w.detach() for w in moved])
    return {**norms, "change": Norms([id(w) for w in moved], l2_each(change))}


def _cells(row: Row, units: DeadUnits) -> Iterator[tuple[Key, Number]]:
    for cells in row.forward:
        yield from (((row.key, stat), t) for stat, t in cells.items())
    for cells in row.backward:
        yield from (((row.key, BACK if s == "nonfinite" else s), t) for s, t in cells.items())
    dead = units.dead(row.path) if row.forward and row.act in SIGNED else None
    if dead is not None:
        yield (row.key, "dead"), dead.to(torch.float32).mean()
