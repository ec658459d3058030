"""Which calls a forward pass makes, in order: layers with weights, norms, activations."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

from undertow.nn.activation import word_of

MATRIX = 2  # dimensions from which on a parameter is a weight and no bias or scale
NORMS: tuple[tuple[str, tuple[type[nn.Module], ...]], ...] = (
    ("batch", (nn.modules.batchnorm._BatchNorm,)),
    ("instance", (nn.modules.instancenorm._InstanceNorm,)),
    ("group", (nn.GroupNorm,)),
    ("layer", (nn.LayerNorm, nn.RMSNorm)),
    ("lrn", (nn.LocalResponseNorm, nn.CrossMapLRN2d)),
)
WORDLESS = (  # activations of torch that have no word: the row is still read behind them
    *(nn.ReLU6, nn.Hardtanh, nn.Hardsigmoid, nn.Softsign, nn.CELU, nn.RReLU, nn.LogSigmoid),
    *(nn.Threshold, nn.Tanhshrink, nn.Softshrink, nn.Hardshrink, nn.GLU),
)
_SPELLINGS: dict[str, tuple[str, ...]] = {  # as functions of torch and F, and as methods
    "relu": ("relu", "relu_"),
    "sigmoid": ("sigmoid", "sigmoid_"),
    "tanh": ("tanh", "tanh_"),
    "leaky-relu": ("leaky_relu", "leaky_relu_"),
    "prelu": ("prelu",),
    "elu": ("elu", "elu_"),
    "selu": ("selu", "selu_"),
    "gelu": ("gelu",),
    "silu": ("silu",),
    "mish": ("mish",),
    "softplus": ("softplus",),
    "hard-swish": ("hardswish",),
    "": ("relu6", "hardtanh", "hardtanh_", "celu", "celu_", "softsign", "hardsigmoid"),
}


def _functions(spellings: dict[str, tuple[str, ...]]) -> dict[Any, str]:
    owners = (F, torch, Tensor)
    return {
        getattr(owner, name): word
        for word, names in spellings.items()
        for name in names
        for owner in owners
        if hasattr(owner, name)
    }


ACTIVATIONS = _functions(_SPELLINGS)
NORM_CALLS = _functions(
    {
        "batch": ("batch_norm",),
        "instance": ("instance_norm",),
        "group": ("group_norm",),
        "layer": ("layer_norm", "rms_norm"),
        "lrn": ("local_response_norm",),
    }
)
CLAMPS = frozenset({torch.clamp, Tensor.clamp, Tensor.clamp_, torch.clamp_min, Tensor.clamp_min})


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

    def layer(self, call: Call) -> None:
        """A layer with weights was called."""

    def norm(self, word: str, call: Call | None) -> None:
        """A normalisation was called; `word` is its kind, no call: it was a function."""

    def act(self, word: str, path: str, output: Tensor, again: bool) -> None:
        """An activation was called; `path` is its module's, "" for a function."""

    def failed(self, where: str, error: Exception) -> None:
        """Telling of a call raised an error of ours; the user's pass goes on."""


def unwrapped(net: nn.Module) -> nn.Module:
    """The user's module inside data-parallel and compile wrappers."""
    while True:
        if isinstance(net, nn.DataParallel | nn.parallel.DistributedDataParallel):
            net = net.module
        elif hasattr(net, "_orig_mod") and isinstance(net._orig_mod, nn.Module):
            net = net._orig_mod
        else:
            return net


def weights_of(module: nn.Module) -> list[nn.Parameter]:
    """A layer's own parameters of two or more dimensions, also behind a parametrisation."""
    own = list(module.parameters(recurse=False))
    held = getattr(module, "parametrizations", None)
    if held is not None:
        own += list(held.parameters())
    return [p for p in own if is_lazy(p) or p.ndim >= MATRIX]


def norm_word(module: nn.Module) -> str:
    """The word of a normalisation's kind; "" for any other module."""
    return next((word for word, kinds in NORMS if isinstance(module, kinds)), "")


def is_layer(module: nn.Module) -> bool:
    """Whether a module's calls are rows: a leaf with a weight matrix; look-up tables are not."""
    if isinstance(module, nn.Embedding | nn.EmbeddingBag) or norm_word(module):
        return False
    leaf = all(name == "parametrizations" for name, _ in module.named_children())
    return (leaf or isinstance(module, nn.MultiheadAttention)) and bool(weights_of(module))


def first_tensor(value: Any) -> Tensor | None:
    """The first real floating tensor in an output: a tensor, sequence, mapping or dataclass."""
    if isinstance(value, Tensor):
        plain = value.is_floating_point() and value.layout == torch.strided
        return value if plain and value.numel() else None
    parts: Iterable[Any] = ()
    if isinstance(value, dict):
        parts = value.values()
    elif isinstance(value, list | tuple):
        parts = value
    elif is_dataclass(value) and not isinstance(value, type):
        parts = (getattr(value, f.name) for f in fields(value))
    return next((t for t in map(first_tensor, parts) if t is not None), None)


class Hook:
    """A hook that does not travel: in a copy or a pickle of the net it does nothing."""

    def __init__(self, call: Callable[..., None]) -> None:
        self._call = call

    def __call__(self, *args: Any) -> None:
        """Run it."""
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
        for path, module in self._net.named_modules():
            if tell := self._telling(path, module):
                if self._look:
                    keep(module.register_forward_pre_hook(Hook(self._enter)))
                keep(module.register_forward_hook(Hook(partial(self._leave, path, tell))))
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
        if self._look and not torch.jit.is_tracing():
            self._mode = _Mode(self)
            self._mode.__enter__()

    def _leave_net(self, module: nn.Module, inputs: Any, output: Any) -> None:
        if in_backward():
            return
        whole = self._wanted and output is not None
        self._close()
        if whole and not self._functional:
            self._look = False

    def _close(self) -> None:
        self._inside = False
        mode, self._mode = self._mode, None
        if mode is not None:
            mode.__exit__(None, None, None)

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
        if func in ACTIVATIONS:
            self._tracer.function(ACTIVATIONS[func], False, out)
        elif func in NORM_CALLS:
            self._tracer.function(NORM_CALLS[func], True, out)
        elif func in CLAMPS and _is_relu(args[1:], kwargs or {}):
            self._tracer.function("relu", False, out)
        return out


def in_backward() -> bool:
    """Whether autograd is running: a forward call now is a recomputation."""
    return torch._C._current_graph_task_id() != -1


def _is_relu(args: tuple[Any, ...], named: dict[str, Any]) -> bool:
    """Whether a clamp's limits are 0 below and none above."""
    low = args[0] if args else named.get("min")
    high = args[1] if len(args) > 1 else named.get("max")
    return isinstance(low, int | float) and low == 0 and high is None
