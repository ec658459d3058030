"""Which calls count: layers with weights, norms, activations, as modules and as functions."""

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parameter import is_lazy

MATRIX = 2  # dimensions from which on a parameter is a weight and no bias or scale
NORMS: tuple[tuple[str, tuple[type[nn.Module], ...]], ...] = (
    ("batch", (nn.modules.batchnorm._BatchNorm,)),
    ("instance", (nn.modules.instancenorm._InstanceNorm,)),
    ("group", (nn.GroupNorm,)),
    ("layer", (nn.LayerNorm, nn.RMSNorm)),
    ("lrn", (nn.LocalResponseNorm, nn.CrossMapLRN2d)),
)
WORDLESS = (  # activations of torch that have no word: the row is still read behind them
    *(nn.LogSigmoid, nn.Threshold, nn.Tanhshrink, nn.Softshrink, nn.Hardshrink, nn.GLU),
)
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


def unwrapped(net: nn.Module) -> nn.Module:
    """The user's module inside data-parallel and compile wrappers."""
    while True:
        if isinstance(net, nn.DataParallel | nn.parallel.DistributedDataParallel):
            net = net.module
        elif hasattr(net, "_orig_mod") and isinstance(net._orig_mod, nn.Module):
            net = net._orig_mod
        else:
            return net


def is_compiled(net: nn.Module) -> bool:
    """Whether a part runs compiled: hooks put on later would be passed over in silence."""
    return any(
        hasattr(m, "_orig_mod") or getattr(m, "_compiled_call_impl", None) is not None
        for m in net.modules()
    )


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
