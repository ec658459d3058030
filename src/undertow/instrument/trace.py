"""Tells a listener of the calls a forward pass makes, in the order of execution."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.overrides import (
    TorchFunctionMode,
    _get_current_function_mode_stack,
    _pop_mode,
    _push_mode,
)
from torch.utils.hooks import RemovableHandle

from undertow.instrument.calls import (
    NORM_CALLS,
    WORDLESS,
    first_tensor,
    is_layer,
    norm_word,
)
from undertow.nn.activation import word_of
from undertow.nn.functional import activation_word


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a layer: its module and path, which call of it this is (1 = first), in and out.

    `again` is true while activation checkpointing runs a part a second time: no new call.
    """

    module: nn.Module
    path: str
    number: int
    inputs: tuple[Any, ...]
    output: Tensor
    again: bool


class Listener(Protocol):
    """What is told of the calls, in the order of execution."""

    def began(self, inputs: tuple[Any, ...]) -> None:
        """A forward pass of the whole net starts: calls count from 1 again."""

    def ended(self, output: Any) -> None:
        """That pass ended with an output."""

    def layer(self, call: Call) -> None:
        """A layer with weights was called."""

    def norm(self, word: str, call: Call | None) -> None:
        """A normalisation was called; `word` is its kind, no call: it was a function."""

    def act(self, word: str, path: str, output: Tensor, again: bool) -> None:
        """An activation was called; `path` is its module's, "" for a function."""

    def failed(self, where: str, error: Exception) -> None:
        """Telling of a call raised an error of ours; the user's pass goes on."""


class Hook:
    """A hook that does not travel: in a copy or a pickle of the net it does nothing."""

    def __init__(self, call: Callable[..., None]) -> None:
        self._call = call

    def __call__(self, *args: Any) -> None:
        """Run it; where it is being compiled with the net it does nothing."""
        if not torch.compiler.is_compiling():
            self._call(*args)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Hook":
        return Hook(_nothing)

    def __reduce__(self) -> tuple[Any, ...]:
        return Hook, (_nothing,)


def _nothing(*args: Any) -> None:
    """What a copied hook does."""


class Tracer:
    """Attaches to a net and tells a listener of its calls, until detached.

    Activations called as functions are seen by a `TorchFunctionMode` that lives only inside the
    net's own forward. It is used until one whole pass has shown that there are none: then the
    hooks on modules are enough, and cheaper.
    """

    def __init__(self, net: nn.Module, listener: Listener) -> None:
        self._net, self._listener = net, listener
        self._handles: list[RemovableHandle] = []
        self._counts: dict[str, int] = {}
        self._mode: _Mode | None = None
        self._inside, self._deep, self._wanted = False, 0, True
        self._seen: tuple[str, Tensor] | None = None
        self._functional, self._look = False, True
        self._plan: tuple[list[int], list[tuple[nn.Module, Hook]]] = [], []

    @property
    def attached(self) -> bool:
        """Whether hooks are on the net."""
        return bool(self._handles)

    def attach(self) -> None:
        """Put the hooks on; does nothing where they are on."""
        if self._handles:
            return
        self._counts.clear()
        keep = self._handles.append
        keep(self._net.register_forward_pre_hook(Hook(self._enter_net)))
        for module, hook in self._hooks():
            if self._look:
                keep(module.register_forward_pre_hook(Hook(self._enter)))
            keep(module.register_forward_hook(hook))
        keep(self._net.register_forward_hook(Hook(self._leave_net), always_call=True))

    def detach(self) -> None:
        """Take every hook off."""
        self._close()
        while self._handles:
            self._handles.pop().remove()

    def function(self, word: str, norm: bool, output: Any) -> None:
        """Called by the mode: an activation or norm was called as a function."""
        out = first_tensor(output)
        if out is None:
            return
        if self._deep:
            self._seen = None if norm else (word, out)
        elif norm:
            self._tell(lambda: self._listener.norm(word, None), word)
        else:
            self._functional = True
            self._tell(lambda: self._listener.act(word, "", out, in_backward()), word)

    def _hooks(self) -> list[tuple[nn.Module, Hook]]:
        """The modules to hook; known from the last time unless a module came or went."""
        key = [self._look, *map(id, self._net.modules())]
        if self._plan[0] != key:
            told = [(p, m, self._telling(p, m)) for p, m in self._net.named_modules()]
            hooks = [(m, Hook(partial(self._leave, p, tell))) for p, m, tell in told if tell]
            self._plan = key, hooks
        return self._plan[1]

    def _telling(self, path: str, module: nn.Module) -> Callable[..., None] | None:
        """How to tell of a module's calls; None: it is passed over."""
        if "parametrizations" in path.split(".") or isinstance(module, torch.jit.ScriptModule):
            return None
        if is_layer(module):
            return self._tell_layer
        if norm_word(module):
            return self._tell_norm
        if next(module.children(), None) is not None or isinstance(module, nn.Identity):
            return None
        if word_of(module) or isinstance(module, WORDLESS):
            return self._tell_act
        return self._tell_other if self._look else None

    def _enter_net(self, module: nn.Module, inputs: Any) -> None:
        if in_backward() or self._inside:
            return
        self._inside, self._wanted, self._deep = True, torch.is_grad_enabled(), 0
        if not self._wanted:
            return
        self._counts.clear()
        self._tell(lambda: self._listener.began(inputs), "input")
        if self._look:
            self._mode = _Mode(self)
            insert(self._mode)

    def _leave_net(self, module: nn.Module, inputs: Any, output: Any) -> None:
        if in_backward():
            return
        whole = self._inside and self._wanted and output is not None
        self._close()
        if whole:
            self._look = self._functional  # none found: the modules' hooks are enough from now on
            self._tell(lambda: self._listener.ended(output), "output")

    def _close(self) -> None:
        self._inside = False
        mode, self._mode = self._mode, None
        if mode is not None:
            withdraw(mode)

    def _enter(self, module: nn.Module, inputs: Any) -> None:
        self._deep, self._seen = self._deep + 1, None

    def _leave(
        self,
        path: str,
        tell: Callable[..., None],
        module: nn.Module,
        inputs: Any,
        output: Any,
    ) -> None:
        seen, self._seen = self._seen, None
        self._deep = max(self._deep - 1, 0)
        again = in_backward()
        if not (again or (self._wanted if self._inside else torch.is_grad_enabled())):
            return
        out = first_tensor(output)
        if out is None:
            return
        count = self._counts[path] = self._counts.get(path, 0) + (not again)
        call = Call(module, path, max(count, 1), inputs, out, again)
        self._tell(lambda: tell(call, seen), path)

    def _tell_layer(self, call: Call, seen: tuple[str, Tensor] | None) -> None:
        self._listener.layer(call)
        if seen is not None and seen[1] is call.output:
            self._functional = True
            self._listener.act(seen[0], call.path, call.output, call.again)

    def _tell_norm(self, call: Call, seen: tuple[str, Tensor] | None) -> None:
        self._listener.norm(norm_word(call.module), call)

    def _tell_act(self, call: Call, seen: tuple[str, Tensor] | None) -> None:
        self._listener.act(word_of(call.module), call.path, call.output, call.again)

    def _tell_other(self, call: Call, seen: tuple[str, Tensor] | None) -> None:
        """A module of the user's own: an activation if it called one inside."""
        if seen is not None:
            self._functional = True
            word = seen[0] if seen[1] is call.output else ""
            self._listener.act(word, call.path, call.output, call.again)

    def _tell(self, tell: Callable[[], None], where: str) -> None:
        try:
            with torch._C.DisableTorchFunction(), torch.no_grad():
                tell()
        except Exception as error:  # a fault of ours must not end the user's training
            self._listener.failed(where, error)


class _Mode(TorchFunctionMode):
    """Passes every call on, and tells of activations and norms among them."""

    def __init__(self, tracer: Tracer) -> None:
        super().__init__()
        self._tracer = tracer

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func in NORM_CALLS:
            self._tracer.function(NORM_CALLS[func], True, out)
        else:
            word = activation_word(func, args, kwargs or {})
            if word is not None:
                self._tracer.function(word, False, out)
        return out


def insert(mode: TorchFunctionMode) -> None:
    """Let a mode see every call of torch from now on, below all modes of the user.

    A `with torch.device(...)` left later takes the topmost mode off, whatever it is; the context
    of `torch.set_default_device` alone must stay lowest.
    """
    held = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    above = [_pop_mode() for _ in _get_current_function_mode_stack()]
    if above and above[-1] is held:
        _push_mode(above.pop())
    for other in (mode, *reversed(above)):
        _push_mode(other)


def withdraw(mode: TorchFunctionMode) -> None:
    """Take a mode out of the stack, wherever the user's own modes have left it."""
    stack = _get_current_function_mode_stack()
    if mode in stack:
        above = [_pop_mode() for _ in stack[stack.index(mode) :]][:-1]
        for other in reversed(above):
            _push_mode(other)


def in_backward() -> bool:
    """Whether autograd is running: a forward call now is a recomputation."""
    return torch._C._current_graph_task_id() != -1
