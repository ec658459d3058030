"""The fastest way to run a net that gives what the net gives: tried on a batch, else the next.

Fused (weights packed for oneDNN), then batch norms folded with maps channels last, then the net
itself. bf16 only where the processor computes it and no class changes.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx, nn

from undertow.core.errors import EnvironmentFaultError, UsageError, unknown
from undertow.nn.graph import folded
from undertow.nn.packed import available, flat, packed
from undertow.train.precision import LARGE, has_bf16

WORDS = ("auto", "fp32", "bf16")
CLOSE = 1e-4  # relative, in the 2-norm over the batch: what fp32 may differ by
MAPS, ROWS = 4, 2  # axes of images; of outputs

Call = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Ready:
    """A net ready to be run.

    Attributes:
        call: fp32 inputs (N, ...) -> fp32 outputs (N, classes).
        path: fused, folded or eager.
        precision: fp32 or bf16.
        difference: from the net itself on the first batch, relative; 0 for the net itself.
        notes: why a faster way was not taken.
    """

    call: Call
    path: str
    precision: str
    difference: float = 0.0
    notes: tuple[str, ...] = ()

    def words(self) -> str:
        """One line for people."""
        if self.path == "eager":
            return "eager fp32: the net as it is"
        what = {"fused": "fused with packed weights", "folded": "norms folded, channels last"}
        return (
            f"{what[self.path]}, {self.precision}; outputs within {self.difference:.1g} of the"
            " net's own on the first batch, same classes"
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """What one pass of the net showed: outputs, the layers' input shapes, multiply-adds."""

    out: Tensor
    shapes: dict[str, tuple[int, ...]]
    macs: int


def ready(net: nn.Module, batch: Tensor, precision: str = "fp32", fast: bool = True) -> Ready:
    """The fastest way to run a net that agrees with it on a batch.

    Args:
        net: in eval mode, of one input; it is left as it is.
        batch: (N, ...) inputs, on the net's device.
        precision: auto, fp32 or bf16.
        fast: False runs the net itself.

    Raises:
        UsageError: an unknown precision, or outputs that are not (N, classes).
        EnvironmentFaultError: bf16 on a processor that has none.
    """
    if precision not in WORDS:
        raise unknown("precision", precision, WORDS)
    capable = has_bf16(batch.device)
    if precision == "bf16" and not capable:
        raise EnvironmentFaultError(
            "this processor computes bf16 by emulation only; give --precision fp32"
        )
    seen = look(net, batch)
    notes: list[str] = []
    if not fast and precision == "bf16":
        raise UsageError("bf16 needs the fast path; leave --fast off out, or give --precision fp32")
    if fast and batch.device.type == "cpu":
        half = precision == "bf16" or (precision == "auto" and capable and seen.macs >= LARGE)
        graph = folded(net)
        if graph is None:
            notes.append("the code of the net cannot be followed as a graph")
        for path, dtype, make in _ways(graph, seen, half):
            found = _tried(path, dtype, make, batch, seen.out, notes)
            if found is not None:
                return found
    return Ready(_plain(net), "eager", "fp32", 0.0, tuple(notes))


@torch.no_grad()
def look(net: nn.Module, batch: Tensor) -> Seen:
    """One pass of the net.

    Raises:
        UsageError: it does not take the batch, or gives something else than (N, classes).
    """
    shapes: dict[str, tuple[int, ...]] = {}
    macs: list[int] = []
    with _watched(net, shapes, macs):
        try:
            out = net(batch)
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            if isinstance(error, UsageError):
                raise
            size = "x".join(map(str, batch.shape[1:]))
            raise UsageError(f"the network does not take inputs of {size}: {error}") from error
    if not isinstance(out, Tensor) or out.ndim != ROWS:
        kind = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
        raise UsageError(f"the network gives {kind}; predictions need (N, classes) logits")
    return Seen(out.float(), shapes, sum(macs) // max(1, len(batch)))


@contextmanager
def _watched(net: nn.Module, shapes: dict[str, tuple[int, ...]], macs: list[int]) -> Iterator[None]:
    """Note the input shape and the multiply-adds of every convolution and linear layer."""

    def note(path: str) -> Any:
        def hook(module: Any, given: Any, out: Tensor) -> None:
            shapes[path] = tuple(given[0].shape)
            macs.append(out.numel() * module.weight[0].numel())

        return hook

    layers = [(p, m) for p, m in net.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    handles = [m.register_forward_hook(note(p)) for p, m in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _ways(
    graph: fx.GraphModule | None, seen: Seen, half: bool
) -> Iterator[tuple[str, torch.dtype, Callable[[], nn.Module]]]:
    """(path, type of numbers, maker), the fastest first."""
    if graph is None:
        return
    for dtype in (torch.bfloat16, torch.float32) if half else (torch.float32,):
        if available():
            yield "fused", dtype, partial(_packed, graph, dtype, seen)
        yield "folded", dtype, partial(_converted, graph, dtype)


def _packed(graph: fx.GraphModule, dtype: torch.dtype, seen: Seen) -> nn.Module:
    return flat(packed(deepcopy(graph), dtype, seen.shapes))


def _converted(graph: fx.GraphModule, dtype: torch.dtype) -> nn.Module:
    return deepcopy(graph).to(dtype)


def _tried(
    path: str,
    dtype: torch.dtype,
    make: Callable[[], nn.Module],
    batch: Tensor,
    wanted: Tensor,
    notes: list[str],
) -> Ready | None:
    """A way, where it agrees with the net on the batch; else a note why not."""
    word = "bf16" if dtype == torch.bfloat16 else "fp32"
    try:
        net = make()
        call = _laid_out(net, dtype)
        out = call(batch)
    except Exception as error:  # private operators: whatever they raise, the net itself is right
        notes.append(f"{path} {word} failed ({type(error).__name__})")
        return None
    apart = _apart(out, wanted)
    if not torch.equal(_classes(out), _classes(wanted)):
        notes.append(f"{path} {word} changes a class on the first batch")
        return None
    if word == "fp32" and not apart <= CLOSE:
        notes.append(f"{path} {word} is {apart:.1g} away from the net on the first batch")
        return None
    return Ready(call, path, word, apart, tuple(notes))


def _laid_out(net: nn.Module, dtype: torch.dtype) -> Call:
    net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def call(x: Tensor) -> Tensor:
        layout = torch.channels_last if x.ndim == MAPS else torch.contiguous_format
        with torch.inference_mode():  # each call is cheaper than without gradients alone
            out = net(x.to(dtype, memory_format=layout))
        return torch.empty(out.shape).copy_(out)  # a plain tensor again, which may be written to

    return call


def _plain(net: nn.Module) -> Call:
    @torch.no_grad()
    def call(x: Tensor) -> Tensor:
        out: Tensor = net(x)
        return out.float()

    return call


def _apart(out: Tensor, wanted: Tensor) -> float:
    return float((out - wanted).norm() / wanted.norm().clamp_min(torch.finfo(torch.float32).tiny))


def _classes(out: Tensor) -> Tensor:
    return out.argmax(1) if out.shape[1] > 1 else out[:, 0] > 0
