"""A norm put into a net whose function is to stay: it starts as the identity."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from undertow.nn.copying import copied

Moments = tuple[Tensor, Tensor]  # mean and variance of every channel, (C,) each


def moments(
    net: nn.Module, paths: Sequence[str], run: Callable[[nn.Module], object]
) -> dict[str, Moments]:
    """Mean and variance of each channel of some layers' outputs, over one pass of a copy."""
    own, seen = copied(net), dict[str, Moments]()
    for path in paths:
        own.get_submodule(path).register_forward_hook(partial(_measured, seen, path))
    with torch.no_grad():
        run(own)
    return seen


def _measured(
    seen: dict[str, Moments], path: str, layer: nn.Module, given: object, out: object
) -> None:
    if isinstance(out, Tensor):
        axis = out.ndim - 1 if isinstance(layer, nn.Linear) else 1
        over = [d for d in range(out.ndim) if d != axis]
        seen[path] = (out.mean(over), out.var(over, correction=0))


def start_as_identity(norm: nn.Module, measured: Moments) -> None:
    """Scale, shift and running statistics by which outputs of these moments pass unchanged.

    A batch norm then changes nothing, in training on that batch and in evaluation; a norm over the
    channels of a sample, whose moments are its own, changes little.
    """
    known: Any = norm
    mean, var = measured
    with torch.no_grad():
        known.weight.copy_((var + known.eps).sqrt())
        known.bias.copy_(mean)
        if getattr(known, "running_mean", None) is not None:
            known.running_mean.copy_(mean)
            known.running_var.copy_(var)
