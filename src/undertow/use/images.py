"""Images as inputs of a net: files, pictures and arrays, exactly as its validation saw them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from undertow.core.errors import UsageError
from undertow.core.inputs import Inputs
from undertow.data.arrays import Arrays
from undertow.data.decode import converted, decode, picture
from undertow.data.files import Files
from undertow.data.pixels import Memory, Pixels, Scale, centred, finished

WHITE = 255.0
SLACK = 0.01  # of the range: floats may pass it by rounding and by resizing
IMAGE, BATCH = 3, 4  # axes
COLOURS = (1, 3, 4)  # channels of an array (H, W, C)

Transform = Callable[[Any], Any]


@dataclass(frozen=True, eq=False)
class Reader:
    """Makes inputs of images.

    Attributes:
        inputs: how.
        transform: the user's own pipeline, where the inputs name one.
    """

    inputs: Inputs
    transform: Transform | None = None

    def __post_init__(self) -> None:
        """Refuse an opaque pipeline that was not given again.

        Raises:
            UsageError: it was not.
        """
        if self.inputs.transform is not None and self.transform is None:
            raise UsageError(
                f"the net was trained through a pipeline of your own, {self.inputs.transform},"
                " which no checkpoint can hold; give it again with --transform file.py:name"
                " (transform= in Python)"
            )

    def file(self, path: Path) -> Tensor:
        """An image file as an input (C, H, W), float.

        Raises:
            BadImageError: no image, a truncated one, or more pixels than the limit.
            UsageError: the net takes no images.
        """
        if self.transform is not None:
            return self._by_transform(picture(path))
        return self._pixels(decode(path, self._channels()))

    def array(self, x: Any) -> Tensor:
        """Inputs (N, C, H, W), or (N, features), of arrays, tensors or one Pillow image.

        uint8 are pixels: (H, W), (H, W, C) or (N, H, W, C), and (C, H, W) or (N, C, H, W) where
        the last axis cannot be colours. Floats are (C, H, W) or (N, C, H, W) in the range of the
        inputs, before mean and deviation.

        Raises:
            UsageError: another shape or type, or values out of range.
        """
        if isinstance(x, Image.Image):
            if self.transform is not None:
                return self._by_transform(x.convert("RGB")).unsqueeze(0)
            made = torch.from_numpy(np.array(converted(x, self._channels())))
            return self._pixels(_planes(made)).unsqueeze(0)
        found = _tensor(x)
        if self.transform is not None:
            return torch.stack([self._by_transform(one) for one in found])
        if found.dtype == torch.uint8:
            batch = found if found.ndim == BATCH else found.unsqueeze(0)
            return torch.stack([self._pixels(self._coloured(_planes(one))) for one in batch])
        if not found.is_floating_point():
            raise UsageError(f"images are {found.dtype}; give uint8 pixels or floats")
        return self._floats(found.float())

    def _channels(self) -> int:
        if not self.inputs.image or self.inputs.channels not in (1, IMAGE):
            size = "x".join(map(str, self.inputs.shape))
            raise UsageError(f"the net takes inputs of {size}, not images; give arrays of floats")
        if self.inputs.range is None:
            raise UsageError(
                "the net was trained on arrays in a unit of their own, so nothing says what a"
                " pixel's 0 and 255 are there; give --range, as --range 0,16 for digits"
            )
        return self.inputs.channels

    def _pixels(self, image: Tensor) -> Tensor:
        """uint8 (C, h, w) as validation makes it: resized, cut, brought to range, scaled."""
        self._channels()
        how, made = self.inputs, self._sized(image)
        if how.range == (0.0, 1.0) and made.dtype == torch.uint8:
            return finished(made.unsqueeze(0), _scale(how))[0]
        low, high = how.range or (0.0, 1.0)
        return self._scaled(made.float() / WHITE * (high - low) + low)

    def _floats(self, x: Tensor) -> Tensor:
        shape, own = self.inputs.shape, len(self.inputs.shape)
        batch = x.unsqueeze(0) if x.ndim == own else x
        fits = batch.ndim == own + 1 and batch.shape[1] == shape[0]
        if not fits or (own != IMAGE and tuple(batch.shape[1:]) != shape):
            wanted = "x".join(map(str, shape))
            raise UsageError(f"arrays of {tuple(x.shape)} are no inputs of {wanted}; give (N,"
                             f" {', '.join(map(str, shape))}) floats or uint8 images")  # fmt: skip
        self._in_range(batch)
        sized = torch.stack([self._sized(one) for one in batch]) if own == IMAGE else batch
        return self._scaled(sized)

    def _in_range(self, x: Tensor) -> None:
        if self.inputs.range is None or not x.numel():
            return
        (low, high), seen = self.inputs.range, (float(x.min()), float(x.max()))
        spare = SLACK * (high - low)
        if seen[0] < low - spare or seen[1] > high + spare or not torch.isfinite(x).all():
            raise UsageError(
                f"float images run from {seen[0]:.4g} to {seen[1]:.4g}; give {low:g} to {high:g},"
                " before mean and deviation are taken, or uint8 pixels"
            )

    def _sized(self, image: Tensor) -> Tensor:
        how = self.inputs
        if tuple(image.shape[1:]) == how.size:
            return image
        if how.border is not None:
            return centred(image, how.size, how.border)
        whole = image.float().unsqueeze(0)
        return interpolate(whole, how.size, mode="bilinear", antialias=True, align_corners=False)[0]

    def _scaled(self, x: Tensor) -> Tensor:
        how = self.inputs
        if how.mean is None or how.std is None:
            return x
        shape = (-1,) if len(how.shape) == 1 else (-1, 1, 1)
        return (x - torch.tensor(how.mean).view(shape)) / torch.tensor(how.std).view(shape)

    def _coloured(self, image: Tensor) -> Tensor:
        """Pixels (c, h, w) with the channels the net takes, converted as files are."""
        wanted, found = self._channels(), image.shape[0]
        if found == wanted:
            return image
        if found not in COLOURS:
            raise UsageError(f"an image has {found} channels; give 1, 3 or 4 (alpha is dropped)")
        held = image[0] if found == 1 else image.permute(1, 2, 0)
        made = converted(Image.fromarray(held.contiguous().numpy()), wanted)
        return _planes(torch.from_numpy(np.array(made)))

    def _by_transform(self, image: Any) -> Tensor:
        assert self.transform is not None
        made = self.transform(image)
        if not isinstance(made, Tensor) or tuple(made.shape) != self.inputs.shape:
            found = tuple(made.shape) if isinstance(made, Tensor) else type(made).__name__
            wanted = ", ".join(map(str, self.inputs.shape))
            raise UsageError(f"transform returns {found}; the net was trained on ({wanted})")
        return made.float()


def prepared(data: Arrays, reader: Reader) -> Arrays:
    """A data set whose inputs are those of a net: sized, cut and scaled as its own data were.

    Args:
        data: as loaded, not yet standardised.
        reader: of the net.

    Raises:
        UsageError: inputs that cannot be brought to the net's.
    """
    if not isinstance(data.x, Pixels):
        x = reader.array(data.x[:])
        return replace(data, x=x, scale=_scale(reader.inputs))
    how, source = reader.inputs, data.x.source
    if reader.transform is not None and isinstance(source, Files):
        source = replace(source, pictures=True, bad={})
        return replace(data, x=_by(data.x, how, source, reader.transform))
    if how.range != (0.0, 1.0) or reader.transform is not None:
        every = torch.stack([reader.array(data.x.raw(at))[0] for at in range(len(data.x))])
        return replace(data, x=every, scale=_scale(how))
    channels = reader._channels()
    if isinstance(source, Files):
        source = replace(source, channels=channels, bad={})
    elif isinstance(source, Memory) and source.x.shape[1] != channels:
        source = replace(source, x=torch.stack([reader._coloured(one) for one in source.x]))
    return replace(data, x=_by(data.x, how, source), scale=_scale(how))


def _tensor(x: Any) -> Tensor:
    """An array as a tensor, copied where it may not be written to.

    Raises:
        UsageError: no numbers, or no image in it.
    """
    try:
        found = x if isinstance(x, Tensor) else torch.from_numpy(np.require(x, None, ["C", "W"]))
    except (TypeError, ValueError) as error:
        raise UsageError(f"{x!r:.40} is no image; give files, folders, or arrays of uint8 pixels"
                         " or floats") from error  # fmt: skip
    if not found.numel():
        raise UsageError(f"an array of {tuple(found.shape)} holds no image; give (N, H, W, C)"
                         " uint8 pixels or (N, C, H, W) floats")  # fmt: skip
    return found


def _by(x: Pixels, how: Inputs, source: Any, transform: Transform | None = None) -> Pixels:
    return replace(
        x,
        source=source,
        channels=how.channels,
        size=how.size,
        scale=_scale(how),
        border=how.border,
        transform=transform,
    )


def _scale(how: Inputs) -> Scale | None:
    return None if how.mean is None or how.std is None else Scale(how.mean, how.std)


def _planes(image: Tensor) -> Tensor:
    """uint8 (H, W), (H, W, C) or (C, H, W) as (C, H, W).

    Raises:
        UsageError: another shape.
    """
    if image.ndim == IMAGE - 1:
        return image.unsqueeze(0)
    if image.ndim == IMAGE and image.shape[2] in COLOURS:
        return image.permute(2, 0, 1)
    if image.ndim == IMAGE and image.shape[0] in COLOURS:
        return image
    raise UsageError(f"an array of {tuple(image.shape)} is no image; give (H, W, 3) uint8")
