"""Exact counts without weights: parameters and multiply-adds, by a pass on `meta` tensors."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from undertow.nn.init import TRANSPOSED, WEIGHTED


@dataclass(frozen=True, slots=True)
class Count:
    """Trainable entries, and multiply-adds of convolutions and linear layers for one image."""

    parameters: int
    macs: int


def parameters(model: nn.Module) -> int:
    """Trainable entries of a module; shared ones once."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def layer_macs(layer: nn.Module, given: Tensor, out: Tensor) -> int:
    """Multiply-adds of one call of a layer with weights, whole batch; bias not counted.

    Args:
        layer: a linear layer or (transposed) convolution; groups as its weight's shape says.
        given: its input.
        out: its output.
    """
    weight = layer.weight
    assert isinstance(weight, Tensor)
    sites = given if isinstance(layer, TRANSPOSED) else out
    return sites.numel() * math.prod(weight.shape[1:])


def count(model: nn.Module, shape: tuple[int, ...]) -> Count:
    """Parameters and multiply-adds of `model` (in evaluation) for one input of `shape`.

    Args:
        model: a module on any device; a forward pass of one zero input is made there, so build it
            on `meta` to have it at no cost.
        shape: of one input, without the batch axis.
    """
    seen = [0]

    def add(layer: nn.Module, args: Any, out: Tensor) -> None:
        seen[0] += layer_macs(layer, args[0], out)

    modes = [(m, m.training) for m in model.modules()]
    handles = [m.register_forward_hook(add) for m in model.modules() if isinstance(m, WEIGHTED)]
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    try:
        model.eval()
        with torch.no_grad():
            model(torch.zeros((1, *shape), device=device))
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes:
            module.training = mode
    return Count(parameters(model), seen[0])
