"""A network layer by layer: shapes, kernels, parameters, multiply-adds, receptive field, memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.func import functional_call
from torch.utils.hooks import RemovableHandle

from undertow.core.errors import UsageError
from undertow.instrument.calls import first_tensor
from undertow.instrument.saved import Saved
from undertow.nn.count import layer_macs
from undertow.nn.field import Fields, field_of, whole
from undertow.nn.init import WEIGHTED

HEADINGS = (
    *("layer", "kind", "output", "kernel", "parameters", "share", "multiply-adds", "share"),
    *("field/stride", "saved"),
)
MIB = 1 << 20  # bytes


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """One call of a module that has no parts, or parameters of its own.

    `shape` is the output's, samples first; () where it is no tensor or the module was not called.
    `parameters` are counted once, at the first row that holds them; `share` is theirs in all.
    `macs` are the multiply-adds of convolutions and linear layers, whole batch, bias not counted;
    `macs_share` is their share in all. `field` is what an entry of the output sees of the input
    along the longest path, `stride` what lies between two entries, both in pixels (one number where
    the axes agree; () where there is no map). `saved` are the bytes kept for the backward pass in
    training, whole batch; None where they cannot be counted.
    """

    path: str
    kind: str
    shape: tuple[int, ...]
    kernel: tuple[int, ...]
    parameters: int
    share: float
    macs: int
    macs_share: float = 0.0
    field: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    saved: int | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """Rows in order of execution, and their totals; prints as a table.

    `saved` are the bytes that one forward pass in training keeps for the backward pass, those of
    modules with parts included; None where they cannot be counted. `notes` are printed below.
    """

    name: str
    input: tuple[int, ...]
    rows: tuple[SummaryRow, ...]
    parameters: int
    trainable: int
    macs: int
    saved: int | None = None
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        table = [HEADINGS, *(_cells(row) for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = ["  ".join(_aligned(row, widths)).rstrip() for row in table]
        frozen = self.parameters - self.trainable
        held = f"{self.parameters:,} parameters" + (f" ({frozen:,} frozen)" if frozen else "")
        total = f"{held}, {self.macs:,} multiply-adds for input {_by(self.input)}"
        kept = "" if self.saved is None else f"; {_mib(self.saved)} kept for the backward pass"
        return "\n".join([self.name, *lines, total + kept, *self.notes])


def summary(net: nn.Module, input_shape: tuple[int, ...], batch: int = 1) -> Summary:
    """What one pass of a network in evaluation would compute; the network is left as it was.

    Counted on `meta` tensors, which cost no memory and no time; a net that cannot run there is
    run once for real on zeros.

    Args:
        net: any module whose forward takes one tensor.
        input_shape: of one sample, without the batch axis.
        batch: samples of the pass.

    Raises:
        UsageError: the input does not fit, or `batch` is below 1.
    """
    if batch < 1:
        raise UsageError(f"batch={batch} is no number of samples; give 1 or more")
    shape = (batch, *input_shape)
    try:
        try:
            rows = _on_meta(net, shape)
        except (RuntimeError, NotImplementedError):  # an operation that meta tensors do not have
            rows = _for_real(net, shape)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UsageError(
            f"{type(net).__name__} does not take an input of shape {_by(shape)}: {first}; "
            "give the shape of one sample, channels first"
        ) from error
    params = list(net.parameters())
    macs = sum(row.macs for row in rows)
    saved = _saved(net, shape)
    return Summary(
        name=type(net).__name__,
        input=shape,
        rows=tuple(_completed(row, macs, saved) for row in rows),
        parameters=sum(p.numel() for p in params),
        trainable=sum(p.numel() for p in params if p.requires_grad),
        macs=macs,
        saved=None if saved is None else saved.total,
    )


def _completed(row: SummaryRow, macs: int, saved: Saved | None) -> SummaryRow:
    """The row with what is known after the passes; bytes stand at a module's first call."""
    share = row.macs / macs if macs else 0.0
    kept = None if saved is None else saved.by_path.get(row.path, 0)
    return replace(row, macs_share=share, saved=kept)


def _on_meta(net: nn.Module, shape: tuple[int, ...]) -> tuple[SummaryRow, ...]:
    x = torch.zeros(shape, device="meta")
    with _counting(net) as counter, Fields(x):
        functional_call(net, _ghost(net), (x,))
    return counter.all_rows()


def _for_real(net: nn.Module, shape: tuple[int, ...]) -> tuple[SummaryRow, ...]:
    device = next((p.device for p in net.parameters()), torch.device("cpu"))
    x = torch.zeros(shape, device=device)
    with _counting(net) as counter, torch.random.fork_rng(devices=[]), Fields(x):
        net(x)
    return counter.all_rows()


def _ghost(net: nn.Module) -> dict[str, torch.Tensor]:
    """The net's parameters and buffers on `meta`, those that train still asking for gradients."""
    state = {**dict(net.named_parameters()), **dict(net.named_buffers())}
    return {k: t.detach().to("meta").requires_grad_(t.requires_grad) for k, t in state.items()}


def _saved(net: nn.Module, shape: tuple[int, ...]) -> Saved | None:
    """What a pass in training would keep, counted on `meta`; None where it cannot run there."""
    modes = [(m, m.training) for m in net.modules()]
    ghost, saved = _ghost(net), Saved(net)
    try:
        net.train()
        with saved.watching(ghost.values()), torch.random.fork_rng(devices=[]):
            functional_call(net, ghost, (torch.zeros(shape, device="meta"),))
    except (RuntimeError, NotImplementedError, ValueError, TypeError):
        return None
    finally:
        for module, mode in modes:
            module.training = mode
    return saved


@contextmanager
def _counting(net: nn.Module) -> Iterator["_Counter"]:
    """Evaluation mode and hooks inside; both are undone after any exit."""
    modes = [(m, m.training) for m in net.modules()]
    counter = _Counter(net)
    try:
        net.eval()
        counter.attach()
        with torch.no_grad():
            yield counter
    finally:
        counter.detach()
        for module, mode in modes:
            module.training = mode


class _Counter:
    """Collects one row a call; parameters are those of the net itself, not of its ghost."""

    def __init__(self, net: nn.Module) -> None:
        self._paths = {m: path for path, m in net.named_modules()}
        self._own = {m: list(m.parameters(recurse=False)) for m in self._paths}
        self._total = sum(p.numel() for p in net.parameters())
        self._counted: set[int] = set()
        self._calls: dict[str, int] = {}
        self._rows: list[SummaryRow] = []
        self._handles: list[RemovableHandle] = []

    def attach(self) -> None:
        for module, own in self._own.items():
            if own or next(module.children(), None) is None:
                self._handles.append(module.register_forward_hook(self._called))

    def detach(self) -> None:
        while self._handles:
            self._handles.pop().remove()

    def all_rows(self) -> tuple[SummaryRow, ...]:
        """The calls' rows, then the modules whose parameters no call has shown."""
        for module, own in self._own.items():
            if any(id(p) not in self._counted for p in own):
                self._add(module, (), 0)
        return tuple(self._rows)

    def _called(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        out, given = first_tensor(output), first_tensor(inputs)
        macs = 0
        if isinstance(module, WEIGHTED) and out is not None and given is not None:
            macs = layer_macs(module, given, out)
        self._add(module, () if out is None else tuple(out.shape), macs, out)

    def _add(self, module: nn.Module, shape: tuple[int, ...], macs: int, out: Any = None) -> None:
        path = self._paths[module] or type(module).__name__
        count = self._calls[path] = self._calls.get(path, 0) + 1
        fresh = [p for p in self._own[module] if id(p) not in self._counted]
        self._counted |= {id(p) for p in fresh}
        entries = sum(p.numel() for p in fresh)
        seen = field_of(out)
        self._rows.append(
            SummaryRow(
                path=path if count == 1 else f"{path}#{count}",
                kind=type(module).__name__,
                shape=shape,
                kernel=_kernel(module),
                parameters=entries,
                share=entries / self._total if self._total else 0.0,
                macs=macs,
                field=() if seen is None else whole(seen.size),
                stride=() if seen is None else whole(seen.stride),
            )
        )


def _kernel(module: nn.Module) -> tuple[int, ...]:
    """The kernel's extent where a module has one; a single number stands for every axis."""
    size = getattr(module, "kernel_size", ())
    if isinstance(size, int):
        return (size,)
    whole = isinstance(size, tuple) and all(isinstance(n, int) for n in size)
    return tuple(size) if whole else ()


def _cells(row: SummaryRow) -> tuple[str, ...]:
    share = f"{100 * row.share:.1f} %" if row.parameters else ""
    counts = [f"{n:,}" if n else "" for n in (row.parameters, row.macs)]
    of_macs = f"{100 * row.macs_share:.1f} %" if row.macs else ""
    field = f"{_by(row.field)}/{_by(row.stride)}" if row.field else ""
    words = (row.path, row.kind, _by(row.shape), _by(row.kernel))
    return (*words, counts[0], share, counts[1], of_macs, field, _mib(row.saved or 0))


def _aligned(row: tuple[str, ...], widths: list[int]) -> list[str]:
    left = 4  # columns of words; the rest are numbers
    pairs = zip(row, widths, strict=True)
    return [c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in enumerate(pairs)]


def _mib(size: int) -> str:
    return f"{size / MIB:.2f} MiB" if size else ""


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
