"""Nets as their papers print them, that do not train from their own start; of the zoo."""

from collections.abc import Callable
from functools import partial

import torch
from sick import Pair, Sick, sgd, small_images
from torch import nn


def four_digits(side: int) -> Pair:
    """480 of the digits 0 to 3, enlarged to (N, 1, side, side)."""
    x, y = small_images()
    few = torch.nonzero(y < 4).flatten()[:480]
    x = nn.functional.interpolate(x[few], size=side, mode="bilinear")
    return x, y[few]


def googlenet(seed: int, heads: int) -> nn.Module:
    """Table 1 with response norms, Xavier weights and biases of .2 (Szegedy et al. 2015)."""
    import undertow as ut

    given = {"variant": "paper", "init": "paper", "aux": heads}
    return ut.build("googlenet", classes=4, in_channels=1, seed=seed, **given)


def _case(name: str, heads: int, side: int, batch: int) -> Sick:
    make: Callable[[int], nn.Module] = partial(googlenet, heads=heads)
    data = partial(four_digits, side)
    return Sick(name, make, data, sgd(0.01), steps=100, batch=batch)


PRINTED: tuple[Sick, ...] = (
    _case("GoogLeNet as printed, no heads, 32 px", 0, 32, 16),
    _case("GoogLeNet as printed, two heads, 80 px", 2, 80, 8),
)
