"""Shortcuts of residual networks (He et al. 2016, sec. 3.3), each a pair of parts.

A block asks its `Skip` for a shortcut and a join and never which it got; "none" is the plain net.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from undertow.core.errors import unknown

if TYPE_CHECKING:
    from undertow.nn.recipe import Recipe


class Add(nn.Module):
    """Eq. 1: shortcut + branch."""

    def forward(self, shortcut: Tensor, branch: Tensor) -> Tensor:
        """The sum; both (N, C, ...)."""
        return shortcut + branch


class Drop(nn.Module):
    """The plain network: the branch alone."""

    def forward(self, shortcut: Tensor, branch: Tensor) -> Tensor:
        """The branch; the shortcut is not used."""
        return branch


class ZeroPad(nn.Module):
    """Option A: every stride-th position, new channels 0, split evenly in front and behind.

    (N, C_in, H, W) -> (N, C_out, ⌈H/stride⌉, ⌈W/stride⌉); (N, C_in) -> (N, C_out).
    """

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.front = (c_out - c_in) // 2
        self.behind = c_out - c_in - self.front
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """The input, subsampled and padded with zero channels."""
        if x.ndim == 2:  # features have no positions to step over
            return F.pad(x, (self.front, self.behind))
        x = x[:, :, :: self.stride, :: self.stride]
        return F.pad(x, (0, 0, 0, 0, self.front, self.behind))


Shortcut = Callable[[int, int, int, "Recipe"], nn.Module]


@dataclass(frozen=True, slots=True)
class Skip:
    """A way around a block. `shortcut(c_in, c_out, stride, recipe)` and `join()` make modules."""

    shortcut: Shortcut
    join: Callable[[], nn.Module]

    @property
    def residual(self) -> bool:
        """Whether the join adds."""
        return self.join is not Drop

    def end(self, layer: nn.Module, norm: nn.Module) -> nn.Module | None:
        """What scales a branch last: its norm, its layer where that is none; None: a plain net."""
        if not self.residual:
            return None
        return layer if isinstance(norm, nn.Identity) else norm


def no_shortcut(c_in: int, c_out: int, stride: int, recipe: Recipe) -> nn.Module:
    """Nothing: the join drops what passes here."""
    return nn.Identity()


def zero_pad(c_in: int, c_out: int, stride: int, recipe: Recipe) -> nn.Module:
    """Option A: no parameters; the identity where size and width stay."""
    same = c_in == c_out and stride == 1
    return nn.Identity() if same else ZeroPad(c_in, c_out, stride)


def projection(c_in: int, c_out: int, stride: int, recipe: Recipe) -> nn.Module:
    """Option B: a 1x1 convolution and norm where size or width change, else the identity."""
    same = c_in == c_out and stride == 1
    return nn.Identity() if same else all_projection(c_in, c_out, stride, recipe)


def all_projection(c_in: int, c_out: int, stride: int, recipe: Recipe) -> nn.Module:
    """Option C: a 1x1 convolution (linear on features) and norm on every shortcut."""
    bias = recipe.needs_bias
    weights: nn.Module = nn.Conv2d(c_in, c_out, 1, stride, bias=bias)
    if not recipe.maps:
        weights = nn.Linear(c_in, c_out, bias=bias)
    return nn.Sequential(weights, *recipe.norm_layers(c_out))


SKIPS: dict[str, Skip] = {
    "projection": Skip(projection, Add),
    "zero-pad": Skip(zero_pad, Add),
    "all-projection": Skip(all_projection, Add),
    "none": Skip(no_shortcut, Drop),
}


def skip(word: str) -> Skip:
    """The strategy of a skip word.

    Raises:
        UsageError: an unknown word.
    """
    if word not in SKIPS:
        raise unknown("skip", word, SKIPS)
    return SKIPS[word]


@runtime_checkable
class Block(Protocol):
    """A residual block that can say what scales its branch last."""

    def branch_end(self) -> nn.Module | None:
        """The module whose weight scales the branch last; None outside a residual branch."""
        ...


def zero_gamma(model: nn.Module) -> tuple[str, ...]:
    """Paths of the branch ends whose weight and bias were set to 0: every block starts as identity.

    In a post-activation block that is the last norm's scale (Goyal et al. 2017, sec. 5.1); in a
    pre-activation block the last layer's weight: a zero scale before a ReLU would never wake.
    """
    ends = [m.branch_end() for m in model.modules() if isinstance(m, Block)]
    wanted = {id(end) for end in ends if end is not None}
    paths = []
    with torch.no_grad():
        for path, module in model.named_modules():
            if id(module) in wanted:
                for parameter in module.parameters(recurse=False):
                    parameter.zero_()
                paths.append(path)
    return tuple(paths)
