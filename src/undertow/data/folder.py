"""Image folders and CSV lists as data: classes, files, channels, sizes; bad layouts in words."""

import csv
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from undertow.core.errors import UsageError
from undertow.data.arrays import Arrays
from undertow.data.decode import SUFFIXES, BadImageError, Header, header
from undertow.data.files import Files
from undertow.data.pixels import SMALL, Pixels

TRAIN, HELD, TEST = ("train",), ("val", "valid", "validation"), ("test",)
LOOK = 64  # files whose headers say how many channels and pixels the others have
SIDE = 224  # pixels, where images differ in size and no model says otherwise
FREE = 4  # a quarter of the free memory may hold decoded images
COLUMNS = 2


@dataclass(frozen=True)
class Listing:
    """Files with their classes, before anything is opened."""

    root: Path
    names: tuple[str, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...]


def folder(path: Path) -> Arrays:
    """A folder of class folders, or of `train/` with `val/` or `test/` of such.

    Classes are sorted by name. `val/` becomes the validation part; `test/` is kept aside.

    Raises:
        UsageError: unreadable, no images, an empty class, one class only, a class that only the
            validation part has, fewer samples than classes.
    """
    parts = {d.name: d for d in _folders(path)}
    train = _first(parts, TRAIN)
    if train is None:
        return _data(path, _listing(path))
    data = _data(path, _listing(train))
    held, test = (_first(parts, names) for names in (HELD, TEST))
    return replace(
        data,
        validation=None if held is None else _beside(data, _listing(held)),
        test=None if test is None else _beside(data, _listing(test)),
    )


def table(path: Path) -> Arrays:
    """A CSV of `path,label`, header optional, paths relative to the file.

    Labels are class names, or numbers from 0. Names are sorted as in a folder.

    Raises:
        UsageError: an unreadable row or file, a negative or fractional label, one class only.
    """
    rows = list(_rows(path))
    if not rows:
        raise UsageError(f"{path} has no rows; give path,label")
    words = sorted({label for _, label in rows})
    if all(_whole(w) for w in words):
        numbers = [int(w) for w in words]
        if min(numbers) < 0:
            raise UsageError(f"{_at(path, rows, min(numbers))} is negative; classes count from 0")
        if max(numbers) >= len(rows):
            where = _at(path, rows, max(numbers))
            raise UsageError(f"{where} is out of range with {len(rows)} rows; count from 0")
        words = [str(i) for i in range(max(numbers) + 1)]
    elif all(_number(w) for w in words):
        bad = next(w for w in words if not _whole(w))
        name = next(name for name, word in rows if word == bad)
        raise UsageError(
            f"{path}: label {bad} of {name} is no class; give class names or numbers from 0"
        )
    at = {w: i for i, w in enumerate(words)}
    names = tuple(name for name, _ in rows)
    labels = tuple(at[str(int(w)) if _whole(w) else w] for _, w in rows)
    return _data(path, Listing(path.parent, names, labels, tuple(words)))


def _at(path: Path, rows: Sequence[tuple[str, str]], label: int) -> str:
    """The first row of a label, in words."""
    name = next(name for name, word in rows if int(word) == label)
    return f"{path}: label {label} of {name}"


def _rows(path: Path) -> Iterable[tuple[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as held:
            for number, row in enumerate(csv.reader(held), start=1):
                cells = [c.strip() for c in row]
                if not any(cells):
                    continue
                if len(cells) < COLUMNS or not cells[0] or not cells[1]:
                    raise UsageError(f"{path}, line {number}: {row}; give path,label")
                if number == 1 and not (path.parent / cells[0]).exists():
                    if Path(cells[0]).suffix.lower() in SUFFIXES:
                        raise UsageError(f"{path}, line 1: {cells[0]} does not exist")
                    continue  # a header
                if not (path.parent / cells[0]).is_file():
                    raise UsageError(f"{path}, line {number}: {cells[0]} does not exist")
                yield cells[0], cells[1]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read as CSV: {error}; give path,label") from error


def _whole(word: str) -> bool:
    return word.lstrip("+-").isdigit()


def _number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _folders(path: Path) -> list[Path]:
    try:
        with os.scandir(path) as found:
            return sorted(
                (Path(e.path) for e in found if e.is_dir() and not e.name.startswith(".")),
                key=lambda p: p.name,
            )
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}; check its rights") from error


def _first(parts: dict[str, Path], names: tuple[str, ...]) -> Path | None:
    return next((parts[n] for n in names if n in parts), None)


def _listing(path: Path) -> Listing:
    names: list[str] = []
    labels: list[int] = []
    folders = _folders(path)
    empty = []
    for label, one in enumerate(folders):
        found = sorted(_images(one))
        if not found:
            empty.append(one.name)
        names += [str(p.relative_to(path)) for p in found]
        labels += [label] * len(found)
    if not folders:
        raise UsageError(f"{path} holds no class folders; give a folder with one folder a class")
    if len(empty) == len(folders):
        raise UsageError(
            f"{path}: no images in {', '.join(empty[:3])}; they end in .jpg, .png, ..."
        )
    if empty:
        raise UsageError(f"{path}: no images of {', '.join(empty)}; add some or remove the folder")
    return Listing(path, tuple(names), tuple(labels), tuple(p.name for p in folders))


def _images(path: Path) -> Iterable[Path]:
    try:
        for home, _, files in os.walk(path, onerror=_told):
            for name in files:
                if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                    yield Path(home) / name
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}; check its rights") from error


def _told(error: OSError) -> None:
    raise error


def _data(path: Path, found: Listing) -> Arrays:
    if len(found.classes) == 1:
        raise UsageError(f"{path} holds one class only, {found.classes[0]}; a class needs another")
    if len(found.names) < len(found.classes):
        raise UsageError(
            f"{path} holds {len(found.names)} images of {len(found.classes)} classes; add images"
        )
    headers = _headers(found)
    channels = 1 if headers and all(h.grey for h in headers) else 3
    files = _files(found, channels)
    mean = sum(h.width * h.height for h in headers) / max(1, len(headers))
    files.keep = mean * channels * len(found.names) <= _free() / FREE
    x = Pixels(files, torch.arange(len(files)), channels, _size(headers))
    y = torch.tensor(found.labels, dtype=torch.int64)
    origin = str(path.resolve())
    return Arrays(path.name, x, y, len(found.classes), True, origin, found.classes)


def _beside(data: Arrays, found: Listing) -> Arrays:
    """A second part of the same data: its classes must be among the first one's."""
    known = {name: i for i, name in enumerate(data.names)}
    new = [name for name in found.classes if name not in known]
    if new:
        raise UsageError(f"{found.root} has classes the training part lacks: {', '.join(new)}")
    labels = tuple(known[found.classes[i]] for i in found.labels)
    like = data.x
    assert isinstance(like, Pixels)
    assert isinstance(like.source, Files)
    files = _files(replace(found, labels=labels), like.channels)
    files.keep = like.source.keep
    x = replace(like, source=files, picks=torch.arange(len(files)))
    y = torch.tensor(labels, dtype=torch.int64)
    return replace(data, x=x, y=y, name=found.root.name)


def _files(found: Listing, channels: int) -> Files:
    sizes = []
    for name in found.names:
        try:
            sizes.append((found.root / name).stat().st_size)
        except OSError as error:
            raise UsageError(f"{found.root / name}: {error.strerror}") from error
    return Files(found.root, found.names, tuple(sizes), found.labels, channels)


def _headers(found: Listing) -> list[Header]:
    step = max(1, len(found.names) // LOOK)
    seen = []
    for name in found.names[::step]:
        try:
            seen.append(header(found.root / name))
        except BadImageError:  # told when it is its turn to be read
            continue
    return seen


def _size(headers: Sequence[Header]) -> tuple[int, int]:
    """The images' own size where all have one and it is small, else 224."""
    sizes = {(h.height, h.width) for h in headers}
    if len(sizes) == 1 and max(next(iter(sizes))) <= SMALL:
        return next(iter(sizes))
    return SIDE, SIDE


def _free() -> float:
    """Bytes of memory that are free; half a GiB where the system does not say."""
    try:
        return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return float(2**29)
