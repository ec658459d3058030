"""A network layer by layer: output shapes, kernels, parameters, multiply-adds."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.func import functional_call
from torch.utils.hooks import RemovableHandle

from undertow.core.errors import UsageError
from undertow.instrument.calls import first_tensor
from undertow.nn.count import layer_macs
from undertow.nn.init import WEIGHTED

HEADINGS = ("layer", "kind", "output", "kernel", "parameters", "share", "multiply-adds")


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """One call of a module that has no parts, or parameters of its own.

    `shape` is the output's, samples first; () where it is no tensor or the module was not called.
    `parameters` are counted once, at the first row that holds them; `share` is theirs in all.
    `macs` are the multiply-adds of convolutions and linear layers, whole batch, bias not counted.
    """

    path: str
    kind: str
    shape: tuple[int, ...]
    kernel: tuple[int, ...]
    parameters: int
    share: float
    macs: int


@dataclass(frozen=True, slots=True)
class Summary:
    """Rows in order of execution, and their totals; prints as a table."""

    name: str
    input: tuple[int, ...]
    rows: tuple[SummaryRow, ...]
    parameters: int
    trainable: int
    macs: int

    def __str__(self) -> str:
        table = [HEADINGS, *(_cells(row) for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = ["  ".join(_aligned(row, widths)).rstrip() for row in table]
        frozen = self.parameters - self.trainable
        held = f"{self.parameters:,} parameters" + (f" ({frozen:,} frozen)" if frozen else "")
        total = f"{held}, {self.macs:,} multiply-adds for input {_by(self.input)}"
        return "\n".join([self.name, *lines, total])


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
    return Summary(
        name=type(net).__name__,
        input=shape,
        rows=rows,
        parameters=sum(p.numel() for p in params),
        trainable=sum(p.numel() for p in params if p.requires_grad),
        macs=sum(row.macs for row in rows),
    )


def _on_meta(net: nn.Module, shape: tuple[int, ...]) -> tuple[SummaryRow, ...]:
    state = {**dict(net.named_parameters()), **dict(net.named_buffers())}
    ghost = {name: t.detach().to("meta") for name, t in state.items()}
    with _counting(net) as counter:
        functional_call(net, ghost, (torch.zeros(shape, device="meta"),))
    return counter.all_rows()


def _for_real(net: nn.Module, shape: tuple[int, ...]) -> tuple[SummaryRow, ...]:
    device = next((p.device for p in net.parameters()), torch.device("cpu"))
    with _counting(net) as counter, torch.random.fork_rng(devices=[]):
        net(torch.zeros(shape, device=device))
    return counter.all_rows()


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
        self._add(module, () if out is None else tuple(out.shape), macs)

    def _add(self, module: nn.Module, shape: tuple[int, ...], macs: int) -> None:
        path = self._paths[module] or type(module).__name__
        count = self._calls[path] = self._calls.get(path, 0) + 1
        fresh = [p for p in self._own[module] if id(p) not in self._counted]
        self._counted |= {id(p) for p in fresh}
        entries = sum(p.numel() for p in fresh)
        self._rows.append(
            SummaryRow(
                path=path if count == 1 else f"{path}#{count}",
                kind=type(module).__name__,
                shape=shape,
                kernel=_kernel(module),
                parameters=entries,
                share=entries / self._total if self._total else 0.0,
                macs=macs,
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
    return (row.path, row.kind, _by(row.shape), _by(row.kernel), counts[0], share, counts[1])


def _aligned(row: tuple[str, ...], widths: list[int]) -> list[str]:
    left = 4  # columns of words; the rest are numbers
    pairs = zip(row, widths, strict=True)
    return [c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in enumerate(pairs)]


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
