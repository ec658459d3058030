"""A compiled net measured beside itself: the same pass again, eager, with the same gradients.

Hooks put on a compiled net after its first call are passed over, and hooks put on before change
what is compiled. So the compiled pass is left alone: only what goes in, and the gradient that
comes back to what came out, are kept; the layers are measured in a second pass without compiling.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from undertow.instrument.calls import unwrapped
from undertow.instrument.probe import Probe
from undertow.instrument.trace import Hook


@dataclass(eq=False)
class _Pass:
    """One call of the net: what went in, the state it was made in, gradients at what came out."""

    args: tuple[Any, ...]
    named: dict[str, Any]
    random: Tensor
    autocast: tuple[bool, torch.dtype]
    grads: dict[int, Tensor] = field(default_factory=dict)


class Twin:
    """The eager second pass of a net that is compiled, whole or in parts.

    Args:
        net: as the training calls it, its compile wrapper included.
        probe: of the same net.
    """

    def __init__(self, net: nn.Module, probe: Probe) -> None:
        self._net, self._probe = net, probe
        self._pass: _Pass | None = None
        self._handles: list[RemovableHandle] = []
        self._plain: Callable[..., Any] | None = None
        self._device = next((p.device.type for p in net.parameters()), "cpu")

    def attach(self) -> None:
        """Keep what the next pass takes and gives."""
        self.detach()
        self._pass = None
        inside = self._net.__dict__.get("_compiled_call_impl")
        if inside is not None:  # compiled in place: hooks would stand inside what is compiled
            self._plain = inside
            self._net.__dict__["_compiled_call_impl"] = self._calling(inside)
            return
        before, after = Hook(self._enter), Hook(self._leave)
        keep = self._handles.append
        keep(self._net.register_forward_pre_hook(before, with_kwargs=True))
        keep(self._net.register_forward_hook(after, with_kwargs=True))

    def detach(self) -> None:
        """Take everything off."""
        while self._handles:
            self._handles.pop().remove()
        if self._plain is not None:
            self._net.__dict__["_compiled_call_impl"] = self._plain
            self._plain = None

    def measure(self) -> None:
        """Run the pass again, eager and measured; nothing of the net or the random state changes.

        Raises:
            Exception: whatever the net raises when it is run without compiling.
        """
        self.detach()
        done = self._pass
        if done is None or not done.grads:
            return
        params = [p for p in self._net.parameters() if p.requires_grad]
        enabled, kind = done.autocast
        with _as_it_was(self._net), torch.enable_grad():
            torch.set_rng_state(done.random)
            with torch.compiler.set_stance("force_eager"), self._probe.sampling():
                with torch.autocast(self._device, dtype=kind, enabled=enabled):
                    out = unwrapped(self._net)(*done.args, **done.named)
                at = {i: t for i, t in enumerate(_tensors(out)) if i in done.grads}
                grads = torch.autograd.grad(
                    list(at.values()), params, [done.grads[i] for i in at], allow_unused=True
                )
        self._probe.take_gradients(params, grads)

    def _calling(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            self._enter(self._net, args, named)
            out = plain(*args, **named)
            self._leave(self._net, args, named, out)
            return out

        return call

    def _enter(self, module: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        if torch.is_grad_enabled():
            cast = torch.is_autocast_enabled(self._device), torch.get_autocast_dtype(self._device)
            self._pass = _Pass(args, named, torch.get_rng_state(), cast)

    def _leave(self, module: nn.Module, args: Any, named: Any, out: Any) -> None:
        done = self._pass
        if done is None or not torch.is_grad_enabled():
            return
        given = _tensors(out)
        ends = [t for t in given if t.requires_grad]
        for i, t in enumerate(given):
            others = [e for e in ends if e is not t]
            if t.requires_grad and not (others and _leads(others, t)):
                t.register_hook(lambda g, i=i: done.grads.__setitem__(i, g.detach()))


@contextmanager
def _as_it_was(net: nn.Module) -> Iterator[None]:
    """Buffers and random states put back afterwards."""
    kept = [(b, b.detach().clone()) for b in net.buffers()]
    with torch.random.fork_rng(enabled=True):
        try:
            yield
        finally:
            with torch.no_grad():
                for buffer, value in kept:
                    buffer.copy_(value)


def _leads(ends: list[Tensor], inner: Tensor) -> bool:
    """Whether other outputs were made from this one: then its gradient holds theirs already."""
    seen: set[Any] = set()
    todo = [t.grad_fn for t in ends if t.grad_fn is not inner.grad_fn]
    while todo:
        node = todo.pop()
        if node is inner.grad_fn:
            return True
        if node is not None and node not in seen:
            seen.add(node)
            todo += [n for n, _ in node.next_functions]
    return False


def _tensors(value: Any) -> list[Tensor]:
    """All floating tensors of an output, in order."""
    if isinstance(value, Tensor):
        return [value] if value.is_floating_point() else []
    parts: Any = ()
    if isinstance(value, dict):
        parts = value.values()
    elif isinstance(value, list | tuple):
        parts = value
    elif is_dataclass(value) and not isinstance(value, type):
        parts = [getattr(value, f.name) for f in fields(value)]
    return [t for part in parts for t in _tensors(part)]
