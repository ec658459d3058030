"""The net and the data of a cell: paired by seed, on one thread, nothing global changed."""

import math
from functools import cache

import torch
from torch import Tensor, nn

from undertow.core.errors import UsageError
from undertow.data.arrays import Arrays, load
from undertow.data.split import hold_back, standardised
from undertow.models import build_plan, card, resolve
from undertow.nn.init import WEIGHTED
from undertow.nn.skip import zero_gamma
from undertow.studies.study import Cell

BATCH = 128  # samples of N(0, 1) input
HELD_BACK = 0.2  # share of the digits: 360 of 1797 images
PROBE = 64  # samples of a data set that start statistics are taken on


@cache
def parts(data: str, standardise: bool) -> tuple[Arrays, Arrays]:
    """Training and held-back part of a data word; the split is the same for every cell."""
    train, held = hold_back(load(data), HELD_BACK, seed=0)
    if standardise:
        train, held = standardised(train, held)
    return train, held


def split(cell: Cell) -> tuple[Arrays, Arrays]:
    """The cell's training and held-back data; `scale` and `shift` of the arm are applied."""
    train, held = parts(cell.data, cell.plan.train.standardise is not False)
    scale, shift = cell.number("scale", 1.0), cell.number("shift")
    if scale == 1.0 and shift == 0.0:
        return train, held
    made = [Arrays(p.name, images(p) * scale + shift, p.y, p.classes, False) for p in (train, held)]
    return made[0], made[1]


def images(data: Arrays) -> Tensor:
    """The samples as a tensor, which those of the studies always are."""
    assert isinstance(data.x, Tensor)
    return data.x


def batch(cell: Cell) -> tuple[Tensor, Tensor]:
    """One batch: of N(0, 1) with labels by chance for data "normal", else of the data."""
    if cell.data != "normal":
        train, _ = split(cell)
        g = torch.Generator().manual_seed(cell.seed)
        pick = torch.randperm(len(train.x), generator=g)[:PROBE]
        return images(train)[pick], train.y[pick]
    plan = resolve(cell.plan)
    g = torch.Generator().manual_seed(cell.seed + 1_000)
    shape = card(plan.model).shape(plan)
    x = torch.randn(BATCH, *shape, generator=g)
    return x, torch.randint(plan.classes or 2, (BATCH,), generator=g)


def net(cell: Cell, shape: tuple[int, ...]) -> nn.Module:
    """The cell's net for inputs of `shape`; the arm's `gain`, `zero_gamma` and `bias` applied."""
    made = build_plan(cell.plan, shape)
    gain, bias = cell.number("gain", 1.0), cell.get("bias")
    if cell.get("zero_gamma"):
        zero_gamma(made)
    with torch.no_grad():
        for layer in hidden(made):
            if gain != 1.0:
                layer.weight.mul_(gain)
            if bias is not None and layer.bias is not None:
                layer.bias.fill_(cell.number("bias"))
    return made


def hidden(model: nn.Module) -> list[nn.Linear | nn.Conv2d]:
    """The layers with weights but the heads, in order of registration."""
    heads = set(getattr(model, "heads", ()))
    found = [(p, m) for p, m in model.named_modules() if isinstance(m, WEIGHTED)]
    return [m for p, m in found if p not in heads and isinstance(m, nn.Linear | nn.Conv2d)]


def swap(model: nn.Module, old: type[nn.Module], new: nn.Module) -> None:
    """Put `new`, which has no parameters, in the place of every module of a class.

    Raises:
        UsageError: there is none.
    """
    places = [(m, n) for m in model.modules() for n, c in m.named_children() if type(c) is old]
    if not places:
        raise UsageError(f"the net has no {old.__name__}; choose the activation it replaces")
    for parent, name in places:
        setattr(parent, name, new)


def log_ratio(a: float, b: float, cap: float) -> float:
    """log10(a/b), cut at ± cap; 0 over 0 is 0."""
    if not math.isfinite(a) or not math.isfinite(b):
        return cap
    if a <= 0 or b <= 0:
        return 0.0 if a <= 0 and b <= 0 else cap if b <= 0 else -cap
    return max(-cap, min(cap, math.log10(a / b)))
