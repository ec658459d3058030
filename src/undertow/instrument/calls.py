"""Which calls count: layers with weights, norms, activations, as modules and as functions."""

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from undertow.nn.functional import functions

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
NORM_CALLS = functions(
    {
        "batch": ("batch_norm",),
        "instance": ("instance_norm",),
        "group": ("group_norm",),
        "layer": ("layer_norm", "rms_norm"),
        "lrn": ("local_response_norm",),
    }
)


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
