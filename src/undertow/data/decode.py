"""One image file as uint8: limits first, then EXIF, modes, and for training a scaled decode.

Where simplejpeg is installed it decodes plain JPEGs: the same pixels in less time.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from undertow.core.errors import UndertowError

MOST = 89_478_485  # pixels, Pillow's own first limit: 256 MiB as RGB; more is a bomb or a map
DRAFT = 2  # times the need from which a JPEG is decoded at a reduced scale, in training only
ORIENTATION = 0x0112  # tag of EXIF
DEEP = 257  # 16-bit levels of one 8-bit level: 65535 / 255
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff")
PLAIN = ("1", "L", "RGB", "LA", "La", "RGBA", "RGBa")  # but for an alpha channel
ALPHA = ("LA", "La", "RGBA", "RGBa", "PA")
CONVERTED = {
    "16-bit": "scaled to 8 bit",
    "palette": "read as their colours",
    "alpha": "read without it, not laid over a background",
}
GREY = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "F")


class BadImageError(UndertowError, ValueError):
    """An image that cannot be read; the text names the file and why."""


@dataclass(frozen=True, slots=True)
class Header:
    """What an image says of itself before it is decoded."""

    kind: str
    mode: str
    width: int
    height: int
    rotated: bool

    @property
    def grey(self) -> bool:
        """Whether it holds one channel."""
        return self.mode in GREY


def header(path: Path) -> Header:
    """Kind, mode and size of an image, read without decoding it.

    Raises:
        BadImageError: no image, or more pixels than the limit.
    """
    with _opened(path) as image:
        turned = image.getexif().get(ORIENTATION, 1) not in (0, 1)
        return Header(image.format or "", image.mode, *image.size, turned)


def decode(
    path: Path,
    channels: int,
    need: int | None = None,
    kind: Callable[[str], object] = str,
) -> Tensor:
    """An image as uint8 (channels, H, W), upright.

    Args:
        path: of the file.
        channels: 1 for grey, 3 for RGB; any mode is converted, alpha dropped, 16 bit scaled.
        need: shorter side in pixels that is enough: a JPEG of twice that is decoded at a reduced
            scale (training only: pixels differ by up to 6 levels); None decodes in full.
        kind: told what the image is where it is neither grey nor RGB: a word of `CONVERTED`, or
            its mode.

    Raises:
        BadImageError: no image, a truncated one, or more pixels than the limit.
    """
    with _opened(path) as image:
        _kinds(image, kind)
        try:
            if need is not None and min(image.size) >= DRAFT * need:
                image.draft("RGB" if channels == 3 else "L", (need, need))
            elif (found := _fast(path, image, channels)) is not None:
                return found
            ImageOps.exif_transpose(image, in_place=True)  # else it copies every image
            array = np.array(converted(image, channels))
        except (OSError, SyntaxError, ValueError, MemoryError, IndexError, TypeError) as error:
            raise BadImageError(f"{path}: {error}") from error
    tensor = torch.from_numpy(array)
    return tensor.unsqueeze(0) if tensor.ndim == 2 else tensor.permute(2, 0, 1)


@cache
def decoder() -> Any:
    """simplejpeg, where it is installed (the extra `fast`); None: Pillow reads every image."""
    return import_module("simplejpeg") if find_spec("simplejpeg") else None


def _fast(path: Path, image: Image.Image, channels: int) -> Tensor | None:
    """An upright JPEG in the mode wanted by simplejpeg, pixels as Pillow's; None: not for it."""
    made, mode = decoder(), "RGB" if channels == 3 else "L"
    if made is None or image.format != "JPEG" or image.mode != mode:
        return None
    if image.getexif().get(ORIENTATION, 1) not in (0, 1):
        return None
    try:
        array = made.decode_jpeg(path.read_bytes(), "RGB" if channels == 3 else "GRAY")
    except ValueError:  # damaged: Pillow says how, or reads it all the same
        return None
    return torch.from_numpy(array).permute(2, 0, 1)


def picture(path: Path, kind: Callable[[str], object] = str) -> Image.Image:
    """An image as Pillow has it, upright and RGB, for a user's own transform; `kind` as `decode`.

    Raises:
        BadImageError: no image, a truncated one, or more pixels than the limit.
    """
    with _opened(path) as image:
        _kinds(image, kind)
        try:
            return converted(ImageOps.exif_transpose(image), 3)
        except (OSError, SyntaxError, ValueError, MemoryError) as error:
            raise BadImageError(f"{path}: {error}") from error


def _kinds(image: Image.Image, tell: Callable[[str], object]) -> None:
    mode = image.mode
    if mode.startswith("I"):
        tell("16-bit")
    elif mode in ("P", "PA"):
        tell("palette")
    elif mode not in PLAIN:
        tell(mode)
    if mode in ALPHA or "transparency" in image.info:
        tell("alpha")


def _opened(path: Path) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # judged below
            image = Image.open(path)
    except UnidentifiedImageError as error:
        raise BadImageError(f"{path}: not an image Pillow knows") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadImageError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if image.width * image.height > MOST:
        size = f"{image.width}x{image.height}"
        image.close()
        raise BadImageError(f"{path}: {size} is more than the limit of {MOST:,} pixels")
    return image


def converted(image: Image.Image, channels: int) -> Image.Image:
    """An image of any mode as grey (1) or RGB (3), 8 bit; alpha is dropped."""
    if image.mode.startswith("I"):  # 16 bit, or 32 bit holding 16
        deep = np.asarray(image).astype(np.int64)
        image = Image.fromarray((deep.clip(0, 65535) // DEEP).astype(np.uint8))
    elif image.mode == "F":
        image = Image.fromarray(np.asarray(image).clip(0, 255).astype(np.uint8))
    wanted = "RGB" if channels == 3 else "L"
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # else Pillow warns that it is lost
    return image if image.mode == wanted else image.convert(wanted)
