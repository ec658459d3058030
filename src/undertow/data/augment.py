"""Augmentation of one image by its own generator: the number of workers changes nothing.

Words: resized-crop (Szegedy et al. 2015), shift (pad by an eighth and crop; He et al. 2016,
sec. 4.2), flip, jitter (brightness, contrast, saturation), pca (Krizhevsky et al. 2012, sec. 4.1),
erase (Zhong et al. 2020).
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from undertow.core.errors import UsageError, unknown

WORDS = ("resized-crop", "shift", "flip", "jitter", "pca", "erase")
COLOURS = ("jitter", "pca")  # need uint8 images with three channels
SCALE, RATIO, TRIES = (0.08, 1.0), (3 / 4, 4 / 3), 10  # of resized-crop: there, as torchvision
PAD = 8  # side over the padding of shift: 4 pixels at 32
JITTER = 0.4  # largest relative change of brightness, contrast and saturation
LIGHT = 0.1  # standard deviation along the principal components of colour
ERASED, HOLE = 0.25, (0.02, 1 / 3)  # probability; area of the hole
VALUES = (0.2175, 0.0188, 0.0045)  # eigenvalues of ImageNet's colours, 0..1, as fb.resnet.torch
VECTORS = (
    (-0.5675, 0.7192, 0.4009),
    (-0.5808, -0.0045, -0.8140),
    (-0.5836, -0.6948, 0.4203),
)
WEIGHTS = (0.299, 0.587, 0.114)  # of red, green and blue in grey: ITU-R BT.601


def words(text: str | None) -> tuple[str, ...]:
    """`flip,shift` as words; "none" and None are no words.

    Raises:
        UsageError: an unknown word, or two croppings.
    """
    if not text or text == "none":
        return ()
    found = tuple(w.strip() for w in text.split(",") if w.strip())
    for word in found:
        if word not in WORDS:
            raise unknown("augment", word, (*WORDS, "none"))
    if "shift" in found and "resized-crop" in found:
        raise UsageError("augment takes one of resized-crop and shift; leave the other out")
    return found


def generator(seed: int, epoch: int, index: int) -> torch.Generator:
    """The generator of one sample in one epoch, keyed by (seed, epoch, index)."""
    mixed = seed * 0x9E3779B97F4A7C15 + epoch * 0xBF58476D1CE4E5B9 + index * 0x94D049BB133111EB
    mixed ^= mixed >> 31
    return torch.Generator().manual_seed(mixed % 2**63)


def augmented(
    image: Tensor, size: tuple[int, int], wanted: tuple[str, ...], g: torch.Generator
) -> Tensor:
    """An image of any size, uint8 or float (C, h, w), as one of `size`, same type.

    Args:
        image: whole; cut and resized here where `wanted` says so, else already of `size`.
        size: (H, W) of the result.
        wanted: words.
        g: of this sample in this epoch.
    """
    if "resized-crop" in wanted:
        image = resized(image, size, _box(image, g))
    if "shift" in wanted:
        image = _shifted(image, g)
    if "flip" in wanted and _draw(g) < 0.5:
        image = image.flip(-1)
    if "jitter" in wanted:
        image = _jittered(image, g)
    if "pca" in wanted:
        image = _lit(image, g)
    if "erase" in wanted and _draw(g) < ERASED:
        image = _erased(image, g)
    return image


def resized(
    image: Tensor, size: tuple[int, int], box: tuple[int, int, int, int] | None = None
) -> Tensor:
    """A box (top, left, height, width) of an image at `size`, antialiased: as Pillow does it."""
    if box is not None:
        top, left, height, width = box
        image = image[:, top : top + height, left : left + width]
    if tuple(image.shape[1:]) == size:
        return image
    batch = image.unsqueeze(0)
    if image.dtype == torch.uint8:  # torch's fast path wants whole pixels side by side
        batch = batch.contiguous(memory_format=torch.channels_last)
    made = F.interpolate(batch, size, mode="bilinear", antialias=True, align_corners=False)
    return made[0]


def _draw(g: torch.Generator, low: float = 0.0, high: float = 1.0) -> float:
    return low + (high - low) * float(torch.rand((), generator=g))


def _whole(g: torch.Generator, most: int) -> int:
    return int(torch.randint(most + 1, (), generator=g))


def _box(image: Tensor, g: torch.Generator) -> tuple[int, int, int, int]:
    height, width = image.shape[1:]
    for _ in range(TRIES):
        area = height * width * _draw(g, *SCALE)
        ratio = math.exp(_draw(g, math.log(RATIO[0]), math.log(RATIO[1])))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            return _whole(g, height - h), _whole(g, width - w), h, w
    side = min(height, width)
    return (height - side) // 2, (width - side) // 2, side, side


def _shifted(image: Tensor, g: torch.Generator) -> Tensor:
    height, width = image.shape[1:]
    pad = max(1, min(height, width) // PAD)
    wide = F.pad(image, (pad, pad, pad, pad))
    top, left = _whole(g, 2 * pad), _whole(g, 2 * pad)
    return wide[:, top : top + height, left : left + width]


def _grey(image: Tensor) -> Tensor:
    weights = torch.tensor(WEIGHTS).view(3, 1, 1)
    return (image * weights).sum(0, keepdim=True)


def _jittered(image: Tensor, g: torch.Generator) -> Tensor:
    """Brightness, contrast, saturation in this order, each blended by a factor in 1 ± .4."""
    x = image.float()
    x = (x * _draw(g, 1 - JITTER, 1 + JITTER)).clamp(0, 255)
    share = _draw(g, 1 - JITTER, 1 + JITTER)
    x = (x * share + _grey(x).mean() * (1 - share)).clamp(0, 255)
    share = _draw(g, 1 - JITTER, 1 + JITTER)
    x = (x * share + _grey(x) * (1 - share)).clamp(0, 255)
    return x.round().to(image.dtype)


def _lit(image: Tensor, g: torch.Generator) -> Tensor:
    alpha = torch.randn(3, generator=g) * LIGHT
    shift = torch.tensor(VECTORS) @ (alpha * torch.tensor(VALUES))
    x = image.float() + 255 * shift.view(3, 1, 1)
    return x.clamp(0, 255).round().to(image.dtype)


def _erased(image: Tensor, g: torch.Generator) -> Tensor:
    height, width = image.shape[1:]
    for _ in range(TRIES):
        area = height * width * _draw(g, *HOLE)
        ratio = math.exp(_draw(g, math.log(0.3), math.log(1 / 0.3)))
        h, w = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < h < height and 0 < w < width:
            top, left = _whole(g, height - h), _whole(g, width - w)
            image = image.clone()
            hole = image[:, top : top + h, left : left + w]
            if image.dtype == torch.uint8:
                hole.copy_(torch.randint(256, hole.shape, generator=g, dtype=torch.uint8))
            else:
                hole.copy_(torch.randn(hole.shape, generator=g))
            return image
    return image
