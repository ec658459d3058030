"""Hooks on a network's layers that reduce what passes to one row of numbers a call."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Variable
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from undertow.core.record import Layer, Snapshot
from undertow.instrument.calls import first_tensor, unwrapped
from undertow.instrument.facts import FirstBatch
from undertow.instrument.guard import MAX_NOTES
from undertow.instrument.reduce import (
    Number,
    fetch,
    l2_each,
    measure_backward,
    measure_forward,
    number,
)
from undertow.instrument.rows import Row, new_row
from undertow.instrument.table import Norms, Origin, Table, norms_of
from undertow.instrument.trace import Call, Hook, Tracer
from undertow.instrument.units import DeadUnits
from undertow.nn.copying import copied
from undertow.record.schema import as_written

KEPT = 2**26  # bytes of copied weights kept between samples; larger nets allocate them anew


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
        self.output_shape: tuple[int, ...] | None = None
        self.batch = FirstBatch()
        self._optimizer = optimizer
        self._tracer = Tracer(self.net, self)
        self._hooks: list[RemovableHandle] = []
        self._rows: dict[str, Row] = {}
        self._latest: Row | None = None
        self._units = DeadUnits()
        self._start: dict[str, dict[str, float]] = {}
        self._known: list[tuple[str, str, str]] = []  # what of the rows `_layers` was made of
        self._layers: tuple[Layer, ...] = ()
        self._kept: tuple[list[Any], list[Tensor]] = [], []
        self._forget()

    def _forget(self) -> None:
        self._latest, self._queued = None, False
        self._data: list[Number] = []
        self._graded = Norms([], torch.zeros(0))
        self._held: list[nn.Parameter] = []
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
        if not self._graded.ids:
            self._after_backward()
        with torch.no_grad():
            trained = [w for w in self._weights() if w.requires_grad]
            copies = self._room(trained)
            if trained:
                torch._foreach_copy_(copies, [w.detach() for w in trained])
            self._before = {id(w): c for w, c in zip(trained, copies, strict=True)}

    def _room(self, weights: list[nn.Parameter]) -> list[Tensor]:
        """Where to copy weights to: small nets keep it, as new memory costs more than a copy."""
        shapes = [(w.shape, w.dtype, w.device) for w in weights]
        if self._kept[0] != shapes:
            self._kept = shapes, [torch.empty_like(w, requires_grad=False) for w in weights]
        copies = self._kept[1]
        if sum(w.numel() * w.element_size() for w in weights) > KEPT:
            self._kept = [], []
        return copies

    # What the tracer tells (instrument/trace.py, Listener)

    def began(self, inputs: tuple[Any, ...]) -> None:
        """A forward pass starts."""
        if self._dropped():  # a gradient scaler left a step out: that pass was for nothing
            self._restart()
        self._latest = None
        data = first_tensor(inputs)
        if data is not None:
            self._data.append(number(data.sum(dtype=torch.float32)))
            self.batch.enters(data.detach())

    def ended(self, output: Any) -> None:
        """A forward pass ended: its output's shape is kept."""
        out = first_tensor(output)
        self.output_shape = None if out is None else tuple(out.shape)

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
                Variable._execution_engine.queue_callback(self._last_of_backward)
        except Exception as error:  # a fault of ours must not end the user's training
            self.failed(row.key, error)

    def _last_of_backward(self) -> None:
        """Queued again, so that it runs behind the all-reduce that DDP queues in between."""
        Variable._execution_engine.queue_callback(self._after_backward)

    def _after_backward(self) -> None:
        self._queued = False
        trained = [p for p in self.net.parameters() if p.requires_grad]
        grads = [(id(p), p.grad.detach()) for p in trained if p.grad is not None]
        self._held = [p for p in trained if p.grad is not None]
        dense = [(i, g) for i, g in grads if g.layout == torch.strided and g.numel()]
        with torch.no_grad():
            self._graded = Norms([i for i, _ in dense], l2_each([g for _, g in dense]))

    def take_gradients(
        self, params: Sequence[nn.Parameter], grads: Sequence[Tensor | None]
    ) -> None:
        """Measure these as the parameters' gradients, in place of what stands in `.grad`."""
        pairs = [(p, g) for p, g in zip(params, grads, strict=True) if g is not None]
        dense = [(id(p), g.detach()) for p, g in pairs if g.layout == torch.strided and g.numel()]
        with torch.no_grad():
            self._graded = Norms([i for i, _ in dense], l2_each([g for _, g in dense]))

    def _dropped(self) -> bool:
        """Whether the last gradients were thrown away without a step: a new pass begins at none."""
        if not self._held:
            return False
        left = [p.grad for p in self._held if p.grad is not None]
        return not left or not any(bool(g.any()) for g in left if g.layout == torch.strided)

    def _restart(self) -> None:
        """Forget what was measured since `attach`."""
        for row in self._rows.values():
            row.clear()
        self._units.drop()
        self._forget()

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
            norms = {"wgrad_l2": self._graded, **norms_of(self._weights(), self._before)}
            table = Table(list(self._rows.values()), self._units, self._data, norms)
        self._before = {}  # used up
        self.origin = self.origin or table.origin()
        self.grad_norm = table.grad_norm(scale)
        return table.snapshot(step, scale)

    @property
    def measured(self) -> bool:
        """Whether a layer was called since `attach`."""
        return any(row.forward for row in self._rows.values())

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The rows seen so far, in order of their first call; the last one is the head."""
        new = {k: row.start for k, row in self._rows.items() if k not in self._start and row.start}
        flat = [t for start in new.values() for t in start.values()]
        values = iter(fetch(flat))
        for key, start in new.items():
            self._start[key] = {name: next(values)[0] for name in start}
        known = [(row.act, row.act_path, row.norm) for row in self._rows.values()]
        if known != self._known:
            self._known, self._layers = known, self._described()
        return self._layers

    def _described(self) -> tuple[Layer, ...]:
        last = [key for key, row in self._rows.items() if not row.norm_only][-1:]
        return tuple(
            as_written(row.layer("head" if [key] == last else "hidden", self._start.get(key, {})))
            for key, row in self._rows.items()
        )

    def dead_units(self) -> dict[str, tuple[int, ...]]:
        """Path -> indices of units dead in each of the last 3 rows read; only layers with any."""
        return self._units.indices()


def rows_of(net: nn.Module, *inputs: Any) -> tuple[Layer, ...]:
    """The rows a forward pass of a net would have; nothing is run on the net itself.

    Args:
        net: any module that can be copied; the copy runs in eval mode.
        inputs: what its forward takes.
    """
    own = copied(net).eval()
    probe = Probe(own)
    with torch.enable_grad(), probe.sampling():
        own(*inputs)
    return probe.layers
