"""A slow twin of every statistic: float64, whole tensors, autograd, no hook."""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

KINKED = (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish, nn.PReLU)
EDGES = {nn.Sigmoid: 4.4, nn.Tanh: 2.2}


@dataclass
class Site:
    """A weight layer of a chain: its path, its output, what its activation took and gave."""

    path: str
    layer: nn.Module
    act: nn.Module | None
    taken: Tensor
    v: Tensor


def sites(net: nn.Sequential, x: Tensor) -> list[Site]:
    """Run a chain module by module and keep the tensors of every weight layer."""
    found: list[Site] = []
    for path, module in net.named_children():
        before, x = x, module(x)
        if isinstance(module, nn.Conv2d | nn.Linear):
            found.append(Site(path, module, None, x, x))
        elif found and found[-1].act is None and type(module) in (*KINKED, *EDGES, nn.Softplus):
            found[-1].act, found[-1].taken, found[-1].v = module, before, x
    return found


def twin(
    net: nn.Sequential, x: Tensor, loss: Callable[[Tensor], Tensor]
) -> dict[str, dict[str, float | None]]:
    """Path -> statistic -> value, all in float64."""
    wide = copy.deepcopy(net).double()
    found = sites(wide, x.double())
    value = loss(found[-1].v)
    weights = [s.layer.weight for s in found]
    grads = torch.autograd.grad(value, [s.v for s in found] + weights)  # type: ignore[operator]
    half = len(found)
    pairs = zip(found, grads[:half], grads[half:], strict=True)
    return {s.path: {**forward(s), **backward(s, g, gw)} for s, g, gw in pairs}


def forward(site: Site) -> dict[str, float | None]:
    """By the formulas of the columns, nothing shared with the probe."""
    v, z = site.v.detach(), site.taken.detach()
    units = v.ndim - 1 if isinstance(site.layer, nn.Linear) else 1
    others = [d for d in range(v.ndim) if d != units]
    edge = EDGES.get(type(site.act)) if site.act is not None else None
    norm = v.square().sum().sqrt()
    mean = v.mean(0, keepdim=True)
    return {
        "act_rms": v.square().mean().sqrt().item(),
        "act_mean": v.mean().item(),
        "act_max": v.abs().max().item(),
        "spread": ((v - mean).square().sum().sqrt() / norm).item(),
        "dead": (z.amax(others) <= 0).double().mean().item() if type(site.act) in KINKED else None,
        "saturated": None if edge is None else (z.abs() > edge).double().mean().item(),
        "nonfinite": 0.0,
    }


def backward(site: Site, g: Tensor, gw: Tensor) -> dict[str, float | None]:
    """Gradients at the same tensor, and of the weight."""
    weight: Tensor = site.layer.weight.detach()  # type: ignore[union-attr, operator]
    return {
        "grad_l2": g.square().sum().sqrt().item(),
        "grad_max": g.abs().max().item(),
        "grad_zero": (g == 0).double().mean().item(),
        "wgrad_l2": gw.square().sum().sqrt().item(),
        "weight_l2": weight.square().sum().sqrt().item(),
        "rel_grad": (gw.square().sum() / weight.square().sum()).sqrt().item(),
    }


def close(found: float | None, wanted: float | None, rel: float = 2e-5, low: float = 1e-7) -> bool:
    """Equal as far as float32 sums and six digits allow."""
    if found is None or wanted is None:
        return found is wanted
    return math.isclose(found, wanted, rel_tol=rel, abs_tol=low)


def mlp(widths: Sequence[int], act: Callable[[], nn.Module]) -> nn.Sequential:
    """Linear layers with an activation between each two."""
    parts: list[nn.Module] = []
    for a, b in pairwise(widths):
        parts += [nn.Linear(a, b), act()]
    return nn.Sequential(*parts[:-1])


def conv(depth: int, act: Callable[[], nn.Module], *, norm: bool = False) -> nn.Sequential:
    """3x3 convolutions with an activation each, then a linear head; for pictures of 6 by 6."""
    parts: list[nn.Module] = []
    for i in range(depth):
        parts.append(nn.Conv2d(1 if i == 0 else 5, 5, 3, padding=1))
        parts += [nn.BatchNorm2d(5)] if norm else []
        parts.append(act())
    return nn.Sequential(*parts, nn.Flatten(), nn.Linear(180, 4))
