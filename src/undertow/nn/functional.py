"""Activations called as functions: which they are, and another one in their place on any module."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.overrides import _pop_mode as pop
from torch.overrides import _push_mode as push

from undertow.nn.activation import activation

_SPELLINGS: dict[str, tuple[str, ...]] = {  # functions of torch and F, and methods of tensors
    "relu": ("relu", "relu_", "relu6"),
    "sigmoid": ("sigmoid", "sigmoid_", "hardsigmoid"),
    "tanh": ("tanh", "tanh_", "hardtanh", "hardtanh_", "softsign"),
    "leaky-relu": ("leaky_relu", "leaky_relu_", "rrelu", "rrelu_"),
    "prelu": ("prelu",),
    "elu": ("elu", "elu_", "celu", "celu_"),
    "selu": ("selu", "selu_"),
    "gelu": ("gelu",),
    "silu": ("silu",),
    "mish": ("mish",),
    "softplus": ("softplus",),
    "hard-swish": ("hardswish",),
    "": ("logsigmoid", "threshold", "threshold_", "glu"),
}


def functions(spellings: dict[str, tuple[str, ...]]) -> dict[Any, str]:
    """Function -> word, for names in torch, torch.nn.functional and on tensors."""
    owners = (F, torch, Tensor)
    return {
        getattr(owner, name): word
        for word, names in spellings.items()
        for name in names
        for owner in owners
        if hasattr(owner, name)
    }


ACTIVATIONS = functions(_SPELLINGS)
UNBOUNDED = functions({"": ("exp", "exp_", "square", "square_")})  # seldom one, never a good one
CLAMPS = frozenset({torch.clamp, Tensor.clamp, Tensor.clamp_, torch.clamp_min, Tensor.clamp_min})


def activation_word(func: Any, args: tuple[Any, ...], named: dict[str, Any]) -> str | None:
    """The word of an activation called as a function; None: it is none. A clamp at 0 is "relu"."""
    if func in ACTIVATIONS:
        return ACTIVATIONS[func]
    return "relu" if func in CLAMPS and _is_relu(args[1:], named) else None


def _is_relu(args: tuple[Any, ...], named: dict[str, Any]) -> bool:
    """Whether a clamp's limits are 0 below and none above."""
    low = args[0] if args else named.get("min")
    high = args[1] if len(args) > 1 else named.get("max")
    return isinstance(low, int | float) and low == 0 and high is None


class Swap:
    """Another activation for all that a module calls as functions, up to its head.

    Lives as hooks on the module it is put on, and travels with its copies and pickles.

    Args:
        word: the activation to call.
    """

    def __init__(self, word: str) -> None:
        self._module = activation(word)
        self._past = False
        self._modes: list[_Swapping] = []
        self.swapped = 0

    def put_on(self, net: nn.Module, head: nn.Module | None) -> None:
        """Put the hooks on; activations behind the head's call stay as they are."""
        net.register_forward_pre_hook(self._enter)
        net.register_forward_hook(self._leave, always_call=True)
        if head is not None and head is not net:
            head.register_forward_hook(self._beyond)

    def __call__(self, func: Callable[..., Any], args: tuple[Any, ...], named: Any) -> Any:
        """The call as it was, or the other activation's; one in place stays in place."""
        word = None if self._past else activation_word(func, args, named)
        strange = not self._past and func in UNBOUNDED
        if not (word or strange) or not isinstance(args[0], Tensor):
            return func(*args, **named)
        self.swapped += 1
        if getattr(func, "__name__", "").endswith("_") or named.get("inplace"):
            return args[0].copy_(self._module(args[0].clone()))
        return self._module(args[0])

    def _enter(self, module: nn.Module, inputs: Any) -> None:
        self._past = False
        self._modes.append(_Swapping(self))
        push(self._modes[-1])

    def _leave(self, module: nn.Module, inputs: Any, output: Any) -> None:
        if self._modes:
            self._modes.pop()
            pop()

    def _beyond(self, module: nn.Module, inputs: Any, output: Any) -> None:
        self._past = True


class _Swapping(TorchFunctionMode):
    """Hands every call of torch to a swap."""

    def __init__(self, swap: Swap) -> None:
        super().__init__()
        self._swap = swap

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self._swap(func, args, dict(kwargs or {}))
