"""The networks a script trains, found from its optimisers, and told to whoever watches them."""

import gc
import os
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import wraps
from types import TracebackType
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils.hooks import RemovableHandle

from undertow.instrument.calls import is_compiled
from undertow.instrument.constant import Solver
from undertow.instrument.trace import Hook

MAIN_SHARE = 0.5  # of a net's trainable parameters: a part that holds them may be the real net
MOST = 8  # nets watched in one script; a search over settings trains hundreds


class Watcher(Protocol):
    """What the finder needs of a watch."""

    def tap(self, loss: Tensor) -> None:
        """`backward` is about to run on a loss."""

    def forget(self) -> None:
        """The losses tapped since the last step belong to another net."""

    def abandon(self) -> None:
        """This process is a forked child: take every hook off, write nothing."""


@dataclass(frozen=True, eq=False)
class _Watched:
    """A watched net, the ids of its parameters, and the optimisers that hold some of them."""

    watch: Watcher
    params: frozenset[int]
    optimizers: "weakref.WeakSet[Optimizer]"


class Finder:
    """Finds the nets that optimisers train, from the optimisers' making on; a context manager.

    A net is the largest module that holds some of an optimiser's parameters. It is told to `begin`
    at its first forward pass with gradients, so that the step before any update is seen too; a
    container that is never called itself gives way to the part that is. While it lasts, three
    functions of torch are wrapped, which call through unchanged: `Optimizer.__init__` (a new
    optimiser), `torch.compile` and `Module.compile` (a net that hooks would be compiled into), and
    `torch.autograd.backward` (the loss).

    Args:
        begin: starts a watch of a net; None: it is not watched.
        end: ends one whose optimisers are gone, so that its net can go too.
        note: takes a sentence on what is not watched and why.
    """

    def __init__(
        self,
        begin: Callable[[nn.Module], Watcher | None],
        end: Callable[[Any], None],
        note: Callable[[str], None],
    ) -> None:
        self._begin, self._end, self._note = begin, end, note
        self._watches: list[_Watched] = []
        self._count = 0
        self._scouts: dict[int, list[RemovableHandle]] = {}
        self._roots: dict[int, weakref.ref[nn.Module]] = {}
        self._known: weakref.WeakSet[Optimizer] = weakref.WeakSet()
        self._undo = ExitStack()
        self._process = os.getpid()
        self.steps = 0

    def __enter__(self) -> Self:
        self._wrap(Optimizer, "__init__", self._made)
        self._wrap(torch, "compile", self._compiled)
        self._wrap(nn.Module, "compile", self._compiled)
        self._wrap(torch.autograd, "backward", self._backward, before=True)
        handle = register_optimizer_step_pre_hook(Hook(self._stepped))
        self._undo.callback(handle.remove)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for key in list(self._roots):
            self._unscout(key)
        self._undo.close()

    def _wrap(self, owner: Any, name: str, tell: Callable[..., None], before: bool = False) -> None:
        plain = getattr(owner, name)

        @wraps(plain)
        def wrapped(*args: Any, **named: Any) -> Any:
            if before:
                self._safe(tell, None, args, named)
            out = plain(*args, **named)
            if not before:
                self._safe(tell, out, args, named)
            return out

        setattr(owner, name, wrapped)
        self._undo.callback(setattr, owner, name, plain)

    def _safe(self, tell: Callable[..., None], *given: Any) -> None:
        """A fault of ours must not end the script; a forked child is left alone."""
        if os.getpid() != self._process:
            return
        try:
            tell(*given)
        except Exception as error:
            self._note(f"not watched: {type(error).__name__}: {error}")

    # What happens in the script

    def _made(self, out: object, args: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """An optimiser was made."""
        optimizer = args[0]
        if hasattr(optimizer, "param_groups") and not isinstance(optimizer, Solver):
            self._look(optimizer)

    def _compiled(self, out: object, args: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """A module was compiled: what was to be watched of it is watched through the new one."""
        model = args[0] if args else named.get("model")
        if not isinstance(model, nn.Module):
            return
        inside = {id(m) for m in model.modules()}
        for key, ref in list(self._roots.items()):
            root = ref()
            if root is None or not (key in inside or any(m is model for m in root.modules())):
                continue
            self._unscout(key)  # its hooks would be compiled with it
            if key in inside and isinstance(out, nn.Module):
                self._scout(out)
            elif key in inside:
                self._start(model)
            else:
                self._wait(root, [root])

    def _backward(self, out: object, args: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """`backward` is about to run."""
        roots = args[0] if args else named.get("tensors")
        losses = [roots] if isinstance(roots, Tensor) else list(roots or ())
        for loss in losses:
            for held in self._watches:
                held.watch.tap(loss)

    def _stepped(self, optimizer: Optimizer, *_: Any) -> None:
        if not isinstance(optimizer, Solver):
            self._safe(self._step, optimizer)

    def _step(self, optimizer: Optimizer) -> None:
        """An optimiser is about to step: the losses told so far are its nets'."""
        self.steps += 1
        if optimizer not in self._known:
            self._look(optimizer)
        held = _held(optimizer)
        for key in list(self._roots):  # never called as a whole, or only by `forward`
            root = self._roots[key]()
            if root is not None and any(id(p) in held for p in root.parameters()):
                self._unscout(key)
                self._start(root)
        for seen in self._watches:
            if not seen.params & held:
                seen.watch.forget()

    # Finding

    def _look(self, optimizer: Optimizer) -> None:
        self._known.add(optimizer)
        self._sweep()
        held = _held(optimizer)
        for seen in self._watches:
            if seen.params & held:
                seen.optimizers.add(optimizer)
        watched = {p for seen in self._watches for p in seen.params}
        known = {id(p) for r in self._roots.values() if (m := r()) for p in m.parameters()}
        missing = held - watched - known
        if not missing:
            return
        roots = owners(missing)
        for root in roots:
            self._scout(root)
        if not roots:
            self._note(f"{type(optimizer).__name__} trains tensors that belong to no module")

    def _sweep(self) -> None:
        """End the watches whose optimisers are all gone: nothing will step there any more."""
        over = [seen for seen in self._watches if not len(seen.optimizers)]
        self._watches = [seen for seen in self._watches if seen not in over]
        for seen in over:
            self._end(seen.watch)

    def _scout(self, root: nn.Module) -> None:
        """Wait for the first pass of a net, or of the part of it that holds most of it."""
        if getattr(root, "_compiled_call_impl", None) is not None:
            self._start(root)
            return
        whole = _size(root)
        parts = [m for m in root.modules() if _size(m) >= MAIN_SHARE * whole]
        self._wait(root, [root] if is_compiled(root) else parts)

    def _wait(self, root: nn.Module, parts: Iterable[nn.Module]) -> None:
        self._roots[id(root)] = weakref.ref(root)
        self._scouts[id(root)] = [
            m.register_forward_pre_hook(Hook(self._called(id(root)))) for m in parts
        ]

    def _called(self, key: int) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any) -> None:
            if torch.is_grad_enabled() and key in self._roots:
                self._safe(self._first, key, module, inputs)

        return hook

    def _first(self, key: int, module: nn.Module, inputs: Any) -> None:
        """The first pass begins: hooks put on now miss it, so they are called by hand."""
        self._unscout(key)
        before = set(module._forward_pre_hooks)
        self._start(module)
        for number, hook in list(module._forward_pre_hooks.items()):
            if number not in before:
                hook(module, inputs)

    def _unscout(self, key: int) -> None:
        self._roots.pop(key, None)
        for handle in self._scouts.pop(key, ()):
            handle.remove()

    def _start(self, net: nn.Module) -> None:
        if self._count == MOST:
            self._note(f"only the first {MOST} networks are watched")
            return
        watch = self._begin(net)
        if watch is not None:
            self._count += 1
            params = frozenset(id(p) for p in net.parameters())
            holders = (o for o in self._known if params & _held(o))
            self._watches.append(_Watched(watch, params, weakref.WeakSet(holders)))


def owners(params: set[int]) -> list[nn.Module]:
    """The largest modules alive that hold any of these parameters (by id).

    Args:
        params: ids of parameters.
    """
    alive = [o for o in gc.get_objects() if issubclass(type(o), nn.Module)]
    holding = [m for m in alive if any(id(p) in params for p in m.parameters())]
    inner = {id(part) for m in holding for part in m.modules() if part is not m}
    return [m for m in holding if id(m) not in inner]


def _held(optimizer: Optimizer) -> set[int]:
    return {id(p) for p in _parameters(optimizer.param_groups)}


def _parameters(groups: Iterable[Mapping[str, Any]]) -> Iterator[Any]:
    return (p for group in groups for p in group["params"])


def _size(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
