"""Why a net says what it says of an image, as pictures in a folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from undertow.core.errors import EnvironmentFaultError, UsageError, unknown
from undertow.data.decode import BadImageError
from undertow.use import pictures
from undertow.use.gradcam import gradcam, maps_of
from undertow.use.images import Transform
from undertow.use.predict import listed, reader_of
from undertow.use.source import Opened

COLOURS = 3


@dataclass(frozen=True, slots=True)
class Explained:
    """What was drawn for an image.

    Attributes:
        image: its name.
        label: of the class whose score is explained.
        layer: path of the module whose maps were weighed.
        blank: whether nothing in the maps speaks for the class: the map is 0 everywhere.
        files: that were written.
    """

    image: str
    label: str
    layer: str
    blank: bool
    files: tuple[Path, ...]


@dataclass(frozen=True, eq=False)
class Wish:
    """What is to be drawn.

    Attributes:
        out: folder of the pictures, made where it is missing.
        layer: path of the module whose maps are weighed and shown; None: the last maps of the
            size of the last convolution's are weighed, and none shown.
        target: name or number of the class; None: the one predicted.
        transform: the user's own pipeline, where the net was trained through one.
    """

    out: Path
    layer: str | None = None
    target: str | None = None
    transform: Transform | None = None


def explained(source: Opened, images: object, wish: Wish) -> Iterator[Explained]:
    """Grad-CAM of every image beside it; once for all, the first layer's filters.

    Files that are no images are passed over: `predict` names them.

    Args:
        source: the net; it stays as it is.
        images: as `predict` takes them.
        wish: what is drawn, and where.

    Raises:
        UsageError: no such class or layer, or a net without convolutions.
        EnvironmentFaultError: a picture cannot be written.
    """
    target = None if wish.target is None else place_of(source, wish.target)
    items = listed(images)
    reader = reader_of(source, items, wish.transform)
    taken: set[str] = set()
    saved(pictures.filters(source.net), wish.out / "filters.png")
    for name, held in items:
        try:
            batch = reader.file(held).unsqueeze(0) if isinstance(held, Path) else reader.array(held)
        except BadImageError:
            continue
        for x in batch:
            yield _one(source, x.unsqueeze(0), (name, _free(name, taken)), target, wish)


def place_of(source: Opened, word: str) -> int:
    """The output of a class by its name, else by its number.

    Raises:
        UsageError: neither.
    """
    if word in source.names:
        return source.names.index(word)
    if word.isdigit():
        return int(word)
    raise unknown("class", word, source.names or ("a number from 0",))


def _one(
    source: Opened, x: Tensor, named: tuple[str, str], target: int | None, wish: Wish
) -> Explained:
    name, stem = named
    device = next((p.device for p in source.net.parameters()), x.device)
    cam = gradcam(source.net, x.to(device), target, wish.layer)
    heat = cam.sized((x.shape[2], x.shape[3])).cpu()
    files = [saved(pictures.beside(shown(source, x[0]), heat), wish.out / f"{stem}-gradcam.png")]
    if wish.layer is not None:
        drawn = pictures.maps(maps_of(source.net, x.to(device), wish.layer))
        files.append(saved(drawn, wish.out / f"{stem}-{wish.layer}.png"))
    label, blank = source.label(cam.target), float(cam.map.max()) == 0
    return Explained(name or stem, label, cam.layer, blank, tuple(files))


def shown(source: Opened, x: Tensor) -> Tensor:
    """An input as the pixels the net saw, uint8 (1 or 3, H, W).

    Of arrays and own pipelines, whose range nobody has said, from least to largest value.
    """
    how = source.inputs
    if how is not None and how.mean is not None and how.std is not None:
        x = x * torch.tensor(how.std).view(-1, 1, 1) + torch.tensor(how.mean).view(-1, 1, 1)
    ends = None if how is None or how.transform is not None else how.range
    low, high = (float(x.min()), float(x.max())) if ends is None else ends
    pixels = ((x - low) / max(high - low, 1e-12) * 255).round().clamp(0, 255).byte()
    return pixels if len(pixels) in (1, COLOURS) else pixels.float().mean(0, keepdim=True).byte()


def saved(image: Image.Image, path: Path) -> Path:
    """The picture in a PNG file, whole or not at all.

    Raises:
        UsageError: the folder is a file.
        EnvironmentFaultError: it cannot be written.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(part, format="PNG")
        part.replace(path)
    except (FileExistsError, NotADirectoryError) as error:
        raise UsageError(f"--explain {path.parent} is a file; give a folder") from error
    except OSError as error:
        part.unlink(missing_ok=True)
        raise EnvironmentFaultError(
            f"cannot write {path}: {error.strerror or error}; give a folder that can be written"
        ) from error
    return path


def _free(name: str, taken: set[str]) -> str:
    """A file name of an image that no other one has."""
    stem = Path(name).stem or "image"
    found, count = stem, 1
    while found in taken:
        count += 1
        found = f"{stem}-{count}"
    taken.add(found)
    return found
