"""Tensors as images, by Pillow alone: an input beside its map, filters, feature maps."""

import math
from itertools import pairwise

import torch
from PIL import Image
from torch import Tensor, nn

from undertow.core.errors import UsageError

SIDE = 224  # pixels a small picture is enlarged to, at least
TILE, GAP = 48, 2  # least pixels of a tile, and between two
MOST = 64  # tiles of one sheet
STRENGTH = 0.65  # of the colours over the image where the map is highest
COLOURS = 3
HEAT = (  # black-body colours: dark is low, bright is high, also in grey
    (0.0, (0, 0, 4)),
    (0.25, (87, 16, 110)),
    (0.5, (188, 55, 84)),
    (0.75, (249, 142, 9)),
    (1.0, (252, 255, 164)),
)


def beside(image: Tensor, heat: Tensor) -> Image.Image:
    """The image, and the same under the colours of a map.

    Args:
        image: uint8 (C, H, W), 1 or 3 colours.
        heat: (H, W), 0..1.
    """
    plain = image.expand(COLOURS, -1, -1).float()
    share = STRENGTH * heat.unsqueeze(0)
    under = plain * (1 - share) + colours(heat) * share
    gap = torch.full((COLOURS, plain.shape[1], GAP), 255.0)
    return enlarged(torch.cat((plain, gap, under), 2))


def colours(heat: Tensor) -> Tensor:
    """A map (H, W) of 0..1 in colours, (3, H, W) of 0..255: black, violet, red, orange, yellow."""
    out = torch.zeros(COLOURS, *heat.shape)
    for (low, first), (high, last) in pairwise(HEAT):
        inside = (heat >= low) & (heat <= high)
        share = (heat[inside] - low) / (high - low)
        for c in range(COLOURS):
            out[c][inside] = first[c] + share * (last[c] - first[c])
    return out


def filters(net: nn.Module) -> Image.Image:
    """The first convolution's filters: 0 is mid-grey, each scaled by its own largest weight.

    Three input channels are shown as colours; other counts by their mean over the channels.

    Raises:
        UsageError: the net has no convolution.
    """
    first = next((m for m in net.modules() if isinstance(m, nn.Conv2d)), None)
    if first is None:
        raise UsageError("the net has no convolution, so it has no filters to show")
    weight = first.weight.detach().float().cpu()
    if weight.shape[1] != COLOURS:
        weight = weight.mean(1, keepdim=True)
    top = weight.abs().amax((1, 2, 3), keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
    return sheet(weight / top * 127.5 + 127.5)


def maps(found: Tensor) -> Image.Image:
    """Feature maps (K, h, w), the first 64 at most: each from its least value (black) to its most.

    A map of one value is black.
    """
    found = found.detach().float().cpu()[:MOST]
    low, high = found.amin((1, 2), keepdim=True), found.amax((1, 2), keepdim=True)
    span = torch.where(high > low, high - low, torch.ones_like(high))
    return sheet(((found - low) / span * 255).unsqueeze(1))


def sheet(tiles: Tensor) -> Image.Image:
    """Tiles (K, C, h, w) of 0..255 on a white ground, about as many rows as columns."""
    tiles = tiles[:MOST].expand(-1, COLOURS, -1, -1)
    factor = max(1, math.ceil(TILE / max(tiles.shape[2:])))
    tiles = tiles.repeat_interleave(factor, 2).repeat_interleave(factor, 3)
    count, _, height, width = tiles.shape
    across = math.ceil(math.sqrt(count))
    down = math.ceil(count / across)
    out = torch.full((COLOURS, down * (height + GAP) + GAP, across * (width + GAP) + GAP), 255.0)
    for i, tile in enumerate(tiles):
        top, left = GAP + i // across * (height + GAP), GAP + i % across * (width + GAP)
        out[:, top : top + height, left : left + width] = tile
    return painted(out)


def enlarged(image: Tensor) -> Image.Image:
    """Pixels (3, H, W) of 0..255 by whole factors until the height is 224 or more."""
    factor = max(1, math.ceil(SIDE / image.shape[1]))
    return painted(image.repeat_interleave(factor, 1).repeat_interleave(factor, 2))


def painted(image: Tensor) -> Image.Image:
    """(3, H, W) of 0..255 as a Pillow image."""
    return Image.fromarray(image.round().clamp(0, 255).byte().permute(1, 2, 0).numpy())
