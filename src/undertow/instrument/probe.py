"""Hooks on a network's layers that reduce what passes to one row of numbers a call."""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd import Variable
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from undertow.core.record import Cell, Column, Layer, Snapshot
from undertow.core.stats import COLUMNS
from undertow.instrument.reduce import fetch, l2_each, measure_backward, measure_forward
from undertow.instrument.rows import Row, combined, new_row
from undertow.instrument.trace import Call, Hook, Tracer, first_tensor, unwrapped
from undertow.instrument.units import DeadUnits
from undertow.record.schema import as_written

SCALED = ("grad_l2", "grad_max", "wgrad_l2", "rel_grad")  # proportional to the loss scale
MAX_NOTES = 20  # a fault in a hook tends to repeat: more of them say nothing new
INPUT = "input"  # stands for a layer where the data themselves are not finite
Table = dict[tuple[str, str], list[float]]  # (row, statistic) -> one number a micro-batch


class Origin(NamedTuple):
    """Where a non-finite value came from: the first call that made one of finite inputs.

    `direction` is "forward" or "backward", `kind` "nan" or "inf", `largest` the largest finite
    value before it. The layer "input" means that the data were not finite.
    """

    layer: str
    direction: str
    kind: str
    largest: float


class Probe:
    """Measures a network during the user's own passes; the network is left bit-identical.

    Args of a use: `with probe.sampling(): loss_fn(net(x), y).backward()`, then, only for
    `update_ratio`, `probe.before_update()` and the optimiser's step, then `probe.read(step)`.

    A row is one call of a layer with a weight matrix. Its forward numbers are those of the
    activation it feeds (the first one called before the next such layer), else of its own
    output; its gradient is taken at the same tensor. Weight gradients are read at the end of
    `backward`, before any clipping. Several passes before one `read` (gradient accumulation) are
    averaged, maxima and counts excepted.

    Args:
        net: any module; data-parallel and compile wrappers are looked through.
        optimizer: if given, the weights are copied by themselves just before it steps.
    """

    def __init__(self, net: nn.Module, *, optimizer: Optimizer | None = None) -> None:
        self.net = unwrapped(net)
        self.notes: list[str] = []
        self.grad_norm: float | None = None  # over all parameters, as last read
        self.origin: Origin | None = None
        self._optimizer = optimizer
        self._tracer = Tracer(self.net, self)
        self._hooks: list[RemovableHandle] = []
        self._rows: dict[str, Row] = {}
        self._latest: Row | None = None
        self._units = DeadUnits()
        self._start: dict[str, dict[str, float]] = {}
        self._forget()

    def _forget(self) -> None:
        self._latest, self._queued = None, False
        self._data: list[Tensor] = []
        self._graded: tuple[list[int], Tensor] = ([], torch.zeros(0))
        self._before: dict[int, Tensor] = {}

    @contextmanager
    def sampling(self) -> Iterator["Probe"]:
        """Measure the passes run inside; the hooks are gone after any exit."""
        self.attach()
        try:
            yield self
        finally:
            self.detach()

    def attach(self) -> None:
        """Put the hooks on and forget the last measurement; does nothing where they are on."""
        if self._tracer.attached:
            return
        for row in self._rows.values():
            row.clear()
        self._forget()
        self._tracer.attach()
        if self._optimizer is not None:
            copy = Hook(lambda *_: self.before_update())
            self._hooks.append(self._optimizer.register_step_pre_hook(copy))

    def detach(self) -> None:
        """Take every hook off; what was measured can still be read."""
        self._tracer.detach()
        while self._hooks:
            self._hooks.pop().remove()

    def before_update(self) -> None:
        """Copy the trainable weights, so that `read` can tell how far the update moved them."""
        if not self._graded[0]:
            self._after_backward()
        with torch.no_grad():
            held = [w for w in self._weights() if w.requires_grad]
            self._before = {id(w): w.detach().clone() for w in held}

    # What the tracer tells (instrument/trace.py, Listener)

    def began(self, inputs: tuple[Any, ...]) -> None:
        """A forward pass starts."""
        self._latest = None
        data = first_tensor(inputs)
        if data is not None:
            self._data.append(data.sum(dtype=torch.float32))

    def layer(self, call: Call) -> None:
        """A layer with weights was called: from now on an activation is its own."""
        self._latest = row = self._row(call)
        if call.again:
            row.joined = False
            self._hook(row, call.output)
            return
        row.begin(call.output)
        if not row.expects:
            row.own = True
            self._measure(row, call.output, "")

    def norm(self, word: str, call: Call | None) -> None:
        """A norm was called: it is named on the row before it, and has a row if it has scales."""
        if self._latest is not None and not self._latest.joined:
            self._latest.norm = word
        if call is not None and not call.again and next(call.module.parameters(), None) is not None:
            self._row(call)

    def act(self, word: str, path: str, output: Tensor, again: bool) -> None:
        """An activation was called: the row before it is measured at its output."""
        row = self._latest
        if row is None or row.joined or not output.ndim or output.shape[0] != row.batch:
            return
        row.join(word, path)
        if again:
            self._hook(row, output)
        else:
            self._measure(row, output, word)

    def failed(self, where: str, error: Exception) -> None:
        """A fault of ours becomes a note; the user's pass goes on."""
        note = f"not measured: {where or 'the net'}: {type(error).__name__}: {error}"
        if note not in self.notes and len(self.notes) < MAX_NOTES:
            self.notes.append(note)

    def _row(self, call: Call) -> Row:
        key = call.path if call.number == 1 else f"{call.path}#{call.number}"
        if key not in self._rows:
            self._rows[key] = new_row(call, len(self._rows))
        return self._rows[key]

    def _measure(self, row: Row, output: Tensor, act: str) -> None:
        unit, sample = row.axes(output)
        cells, dead = measure_forward(output.detach(), act, unit, sample)
        row.forward.append(cells)
        if dead is not None:
            self._units.see(row.path, dead)
        self._hook(row, output)

    def _hook(self, row: Row, output: Tensor) -> None:
        if output.requires_grad:
            row.handle = output.register_hook(partial(self._gradient, row))

    def _gradient(self, row: Row, g: Tensor) -> None:
        """Called by autograd with the gradient at a row's output."""
        if not self._tracer.attached or not g.numel():
            return
        try:
            with torch.no_grad():
                row.backward.append(measure_backward(g.detach()))
            if not self._queued:  # runs when this backward is complete, before any clipping
                self._queued = True
                Variable._execution_engine.queue_callback(self._after_backward)
        except Exception as error:  # a fault of ours must not end the user's training
            self.failed(row.key, error)

    def _after_backward(self) -> None:
        self._queued = False
        grads = [(id(p), p.grad) for p in self.net.parameters() if p.grad is not None]
        dense = [(i, g.detach()) for i, g in grads if g.layout == torch.strided and g.numel()]
        with torch.no_grad():
            self._graded = [i for i, _ in dense], l2_each([g for _, g in dense])

    def _weights(self) -> list[nn.Parameter]:
        """Every weight of the rows once, the layers' matrices and the norms' scales."""
        found = {id(w): w for row in self._rows.values() for w in row.weights}
        return list(found.values())

    # Reading

    def read(self, step: int, *, scale: float = 1.0) -> Snapshot:
        """What was measured since `attach`, as written: one row of numbers a statistic.

        Args:
            step: the step's number, 0 before the first update.
            scale: what the loss was multiplied by (a GradScaler's scale); gradients are divided
                by it.
        """
        self._units.close()
        with torch.no_grad():
            table, weighed = self._fetched()
        self.origin = self.origin or self._origin(table)
        self.grad_norm = math.hypot(*weighed["wgrad_l2"].values()) / scale if weighed else None
        columns = [Column(s, self._column(s, table, weighed, scale)) for s in COLUMNS]
        return as_written(
            Snapshot(step, tuple(c for c in columns if any(v is not None for v in c.values)))
        )

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The rows seen so far, in order of their first call; the last one is the head."""
        new = {k: row.start for k, row in self._rows.items() if k not in self._start and row.start}
        flat = [t for start in new.values() for t in start.values()]
        values = iter(fetch(flat))
        for key, start in new.items():
            self._start[key] = {name: next(values)[0] for name in start}
        last = [key for key, row in self._rows.items() if not row.norm_only][-1:]
        return tuple(
            as_written(row.layer("head" if [key] == last else "hidden", self._start.get(key, {})))
            for key, row in self._rows.items()
        )

    def dead_units(self) -> dict[str, tuple[int, ...]]:
        """Path -> indices of units dead in each of the last 3 rows read; only layers with any."""
        return self._units.indices()

    def _fetched(self) -> tuple[Table, dict[str, dict[int, float]]]:
        """Everything on the host, by one transfer: the rows' cells, and norms by parameter."""
        cells = list(self._cells())
        weights = self._weights()
        held = [self._before.get(id(w), w.detach()) for w in weights]
        moved = [w for w in weights if id(w) in self._before]
        change = (
            torch._foreach_sub([w.detach() for w in moved], [self._before[id(w)] for w in moved])
            if moved
            else []
        )
        norms = [self._graded[1], l2_each(held), l2_each(list(change))]
        values = fetch([t for _, t in cells] + norms)
        table: Table = {}
        for (where, _), (value,) in zip(cells, values, strict=False):
            table.setdefault(where, []).append(value)
        ids = self._graded[0], map(id, weights), map(id, moved)
        names = ("wgrad_l2", "weight_l2", "change")
        found = zip(names, ids, values[len(cells) :], strict=True)
        return table, {n: dict(zip(i, v, strict=True)) for n, i, v in found}

    def _cells(self) -> Iterator[tuple[tuple[str, str], Tensor]]:
        for total in self._data:
            yield (INPUT, "total"), total
        for key, row in self._rows.items():
            for cells in row.forward:
                yield from (((key, stat), t) for stat, t in cells.items())
            for cells in row.backward:
                named = {"nonfinite": "nonfinite_back"}
                yield from (((key, named.get(s, s)), t) for s, t in cells.items())
            dead = self._units.dead(row.path) if row.forward else None
            if dead is not None:
                yield (key, "dead"), dead.to(torch.float32).mean()

    def _column(
        self, stat: str, table: Table, weighed: dict[str, dict[int, float]], scale: float
    ) -> tuple[Cell, ...]:
        by = scale if stat in SCALED else 1.0
        cells = (self._cell(stat, row, table, weighed) for row in self._rows.values())
        return tuple(None if c is None else c / by for c in cells)

    def _cell(
        self, stat: str, row: Row, table: Table, weighed: dict[str, dict[int, float]]
    ) -> Cell:
        if stat == "nonfinite":
            both = (*table.get((row.key, stat), ()), *table.get((row.key, "nonfinite_back"), ()))
            return combined(stat, list(both))
        if stat in ("wgrad_l2", "weight_l2"):
            return _total(row.weights, weighed[stat])
        if stat in ("rel_grad", "update_ratio"):
            top = weighed["wgrad_l2" if stat == "rel_grad" else "change"]
            over, under = _total(row.weights, top), _total(row.weights, weighed["weight_l2"])
            return over / under if over is not None and under else None
        return combined(stat, table.get((row.key, stat), []))

    def _origin(self, table: Table) -> Origin | None:
        data = table.get((INPUT, "total"), [])
        if not all(map(math.isfinite, data)):
            return Origin(INPUT, "forward", "nan" if any(map(math.isnan, data)) else "inf", 0.0)
        forward = _first_bad(self._rows, table, "nonfinite", "act_max")
        if forward is not None:
            return Origin(forward[0], "forward", *forward[1:])
        back = _first_bad(list(self._rows)[::-1], table, "nonfinite_back", "grad_max")
        return None if back is None else Origin(back[0], "backward", *back[1:])


def _total(weights: list[nn.Parameter], norms: dict[int, float]) -> Cell:
    """The norm over those of a row's weights that were measured; None: none was."""
    found = [norms[id(w)] for w in weights if id(w) in norms]
    return math.hypot(*found) if found else None


def _first_bad(
    keys: Iterable[str], table: Table, count: str, top: str
) -> tuple[str, str, float] | None:
    """The first row with a non-finite entry, its kind, and the largest finite value before it."""
    largest = 0.0
    for key in keys:
        tops = table.get((key, top), [])
        if any(table.get((key, count), [])):
            return key, "nan" if any(map(math.isnan, tops)) else "inf", largest
        largest = max([largest, *(t for t in tops if math.isfinite(t))])
    return None
