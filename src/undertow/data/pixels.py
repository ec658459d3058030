"""Images as a tensor of floats that is made when it is asked for; uint8 underneath."""

import hashlib
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from undertow.core.errors import UsageError
from undertow.data.augment import augmented, generator, resized
from undertow.data.decode import BadImageError

SMALL = 64  # pixels a side up to which an image is not cut at the border in evaluation
BORDER = 256 / 224  # shorter side over the centre crop: Krizhevsky et al. 2012, as torchvision
LONG = 32  # longer side, once resized, over the need, from which only the middle is resized
STATISTICS = 2000  # images whose mean and deviation stand for all


class Source(Protocol):
    """Where images come from: files, or a tensor."""

    @property
    def labels(self) -> Sequence[int]:
        """The class of every image; () where none can be bad."""
        ...

    def __len__(self) -> int:
        """How many there are."""
        ...

    def image(self, index: int, need: int | None) -> Any:
        """An image: uint8 (C, h, w), decoded in full unless `need` pixels are enough."""
        ...

    def digest(self) -> bytes:
        """What changes when the images do."""
        ...


@dataclass(frozen=True, eq=False)
class Memory:
    """Images of one size, uint8 (N, C, H, W), in memory."""

    x: Tensor
    labels: Sequence[int] = ()

    def __len__(self) -> int:
        """How many there are."""
        return len(self.x)

    def image(self, index: int, need: int | None) -> Tensor:
        """One of them."""
        return self.x[index]

    def digest(self) -> bytes:
        """The pixels themselves."""
        return self.x.contiguous().numpy().tobytes()


@dataclass(frozen=True, slots=True)
class Scale:
    """Mean and standard deviation of every channel, of pixels in 0..1."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Pixels:
    """Images in the form of a float tensor (N, C, H, W): indexing reads, resizes and scales them.

    Indexed, images are as in evaluation: shorter side resized, centre cut, pixels in 0..1 and
    then brought to mean 0 and deviation 1 where `scale` is set.

    Attributes:
        source: the images.
        picks: which of them, (N,).
        channels: of every image.
        size: (H, W).
        scale: None leaves pixels in 0..1.
        border: shorter side before the centre is cut, over the cut; None: 256/224, and 1 up to
            64 pixels a side.
        transform: a user's own pipeline, image -> (C, H, W); it replaces everything else.
    """

    source: Source
    picks: Tensor
    channels: int
    size: tuple[int, int]
    scale: Scale | None = None
    transform: Callable[[Any], Any] | None = None
    border: float | None = None

    @property
    def edge(self) -> float:
        """The border that is used."""
        return edge(self.size) if self.border is None else self.border

    @property
    def shape(self) -> torch.Size:
        """(N, C, H, W)."""
        return torch.Size((len(self.picks), self.channels, *self.size))

    @property
    def ndim(self) -> int:
        """4."""
        return len(self.shape)

    def __len__(self) -> int:
        """How many images."""
        return len(self.picks)

    def __getitem__(self, index: Any) -> Tensor:
        """Images as evaluation sees them: float (K, C, H, W), or (C, H, W) for one number."""
        if isinstance(index, int):
            return self[[index]][0]
        found = torch.arange(len(self))[index].tolist()
        made = torch.stack([self._plain(at) for at in found]) if found else self._none()
        return self.finish(made)

    def take(self, index: Tensor) -> "Pixels":
        """Some of the images."""
        return replace(self, picks=self.picks[index])

    def sized(self, size: tuple[int, int]) -> "Pixels":
        """The same images at another size."""
        return replace(self, size=size)

    def train(self, at: int, epoch: int, seed: int, wanted: Sequence[str]) -> Tensor:
        """The image at a place as training sees it, not finished: uint8 (C, H, W).

        Args:
            at: place among the picks.
            epoch: with `seed` and the image it keys the generator.
            seed: of the training.
            wanted: words of augmentation.
        """
        words = tuple(wanted)
        if not words or self.transform is not None:
            return self._plain(at)
        g = generator(seed, epoch, int(self.picks[at]))
        if "resized-crop" in words:
            return augmented(self._image(at, max(self.size)), self.size, words, g)
        return augmented(self._plain(at), self.size, words, g)

    def finish(self, images: Tensor) -> Tensor:
        """uint8 (K, C, H, W) as floats: 0..1, then scaled. Floats pass: they are finished."""
        return finished(images, self.scale)

    def raw(self, at: int) -> Any:
        """The image at a place as it was read: not resized, not scaled."""
        return self._image(at, None)

    def view(self, image: Any) -> Tensor:
        """An image of the source at the size, as in evaluation, not finished: (C, H, W)."""
        if self.transform is not None:
            return _made(self.transform(image), self.shape[1:])
        return centred(image, self.size, self.edge)

    def statistics(self) -> Scale:
        """Mean and deviation of every channel over up to 2,000 images evenly spread."""
        step = max(1, len(self) // STATISTICS)
        total, square, count = torch.zeros(self.channels), torch.zeros(self.channels), 0
        total, square = total.double(), square.double()
        for at in range(0, len(self), step)[:STATISTICS]:
            x = self._plain(at).double().div_(255).flatten(1)
            total += x.sum(1)
            square += x.square().sum(1)
            count += x.shape[1]
        mean = total / count
        std = (square / count - mean.square()).clamp_min(0).sqrt()
        std = torch.where(std > 0, std, torch.ones_like(std))
        return Scale(tuple(mean.tolist()), tuple(std.tolist()))

    def digest(self) -> bytes:
        """16 bytes that change when the images or the choice of them do."""
        held = hashlib.sha256(self.source.digest())
        held.update(self.picks.numpy().tobytes())
        return held.digest()[:16]

    def _none(self) -> Tensor:
        return torch.empty((0, self.channels, *self.size), dtype=torch.uint8)

    def _image(self, at: int, need: int | None) -> Any:
        """The image at a place; for a bad one the next good one of its class among these."""
        index = int(self.picks[at])
        try:
            return self.source.image(index, need)
        except BadImageError as error:
            for other in self._alike(at, index):
                with suppress(BadImageError):
                    return self.source.image(other, need)
            raise UsageError(f"no image of this class can be read: {error}") from error

    def _alike(self, at: int, index: int) -> list[int]:
        """The images of the same class, from the next place on and around."""
        labels = self.source.labels
        ring = torch.cat((self.picks[at + 1 :], self.picks[:at])).tolist()
        return [i for i in ring if labels[i] == labels[index]]

    def _plain(self, at: int) -> Tensor:
        """One image at the size, as in evaluation."""
        return self.view(self._image(at, None))


def finished(images: Tensor, scale: Scale | None) -> Tensor:
    """uint8 (K, C, H, W) as floats: 0..1, then scaled. Floats pass: they are finished."""
    if images.is_floating_point():
        return images
    x = images.float()
    if scale is None:
        return x.div_(255)
    mean = torch.tensor(scale.mean, device=x.device).view(1, -1, 1, 1)
    std = torch.tensor(scale.std, device=x.device).view(1, -1, 1, 1)
    return x.sub_(mean * 255).div_(std * 255)  # two passes over the batch, not three


def edge(size: tuple[int, int]) -> float:
    """Shorter side before the centre is cut, over the cut, where nothing else is said."""
    return BORDER if max(size) > SMALL else 1.0


def centred(image: Tensor, size: tuple[int, int], border: float | None = None) -> Tensor:
    """Shorter side resized, then the centre: (C, h, w) -> (C, H, W), uint8 or float.

    The shorter side becomes `border` times the need first, so that a border is cut (None: `edge`);
    an image that has the size already is left alone.
    """
    height, width = image.shape[1:]
    if (height, width) == size:
        return image
    border = edge(size) if border is None else border
    factor = max(size[0] * border / height, size[1] * border / width)
    whole = max(size[0], round(height * factor)), max(size[1], round(width * factor))
    if max(whole) > LONG * max(size):
        return centred(_middle(image, size, factor), size, border)
    image = resized(image, whole)
    top, left = (whole[0] - size[0] + 1) // 2, (whole[1] - size[1] + 1) // 2
    return image[:, top : top + size[0], left : left + size[1]]


def _middle(image: Tensor, size: tuple[int, int], factor: float) -> Tensor:
    """The middle of a very long image: resized whole it would not fit the memory."""
    height, width = image.shape[1:]
    keep = [
        min(n, math.ceil(2 * need / factor) + 2)
        for n, need in zip((height, width), size, strict=True)
    ]
    top, left = (height - keep[0]) // 2, (width - keep[1]) // 2
    return image[:, top : top + keep[0], left : left + keep[1]]


def _made(made: Any, shape: torch.Size) -> Tensor:
    """What a user's transform returned, as a tensor of the right shape."""
    if not isinstance(made, Tensor) or made.shape != shape:
        found = tuple(made.shape) if isinstance(made, Tensor) else type(made).__name__
        raise UsageError(f"transform returns {found}; it must return a tensor of {tuple(shape)}")
    return made
