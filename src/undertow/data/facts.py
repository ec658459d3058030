"""What a data set holds: classes and their balance, sizes, kinds, bad files, duplicates."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from undertow.data.arrays import Arrays
from undertow.data.decode import BadImageError, Header, decode, header
from undertow.data.files import Files
from undertow.data.pixels import Pixels

SKEWED = 10.0  # most over least frequent class from which a balance is offered
BLOCK = 2**20  # bytes read at once


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a data set, by what was found in it."""

    name: str
    samples: int
    counts: tuple[int, ...]
    shape: tuple[int, ...]
    sides: tuple[int, int] | None = None
    kinds: tuple[tuple[str, int], ...] = ()
    rotated: int = 0
    bad: tuple[tuple[str, str], ...] = ()
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A data set by what was found in it.

    `duplicates` are groups of equal content, by name; `across` those with members in two parts.
    """

    name: str
    classes: tuple[str, ...]
    parts: tuple[Part, ...]
    duplicates: tuple[tuple[str, ...], ...] = ()
    across: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()


def describe(data: Arrays) -> Found:
    """Everything about a data set, every image decoded once."""
    held = [("training", data), ("validation", data.validation), ("test", data.test)]
    given = [(name, part) for name, part in held if part is not None]
    classes = data.names or tuple(str(i) for i in range(data.classes))
    parts = tuple(_part(name, part, len(classes)) for name, part in given)
    groups = tuple(_duplicates([(name, part) for name, part in given]))
    names = tuple(tuple(f"{part}/{name}" for part, name in group) for group in groups)
    across = tuple(
        text for text, group in zip(names, groups, strict=True) if len({p for p, _ in group}) > 1
    )
    return Found(data.name, classes, parts, names, across, tuple(_notes(parts, classes)))


def imbalance(y: Tensor, classes: int) -> float:
    """How many times more frequent the most frequent class is than the least one seen."""
    counts = y.bincount(minlength=classes)
    seen = counts[counts > 0]
    return float(seen.max() / seen.min()) if classes and len(seen) else 1.0


def copies_across(train: Arrays, held: Arrays) -> int:
    """How many held-back files have the content of a training file."""
    groups = _duplicates([("training", train), ("validation", held)])
    mixed = [g for g in groups if len({part for part, _ in g}) > 1]
    return sum(part == "validation" for g in mixed for part, _ in g)


def _part(name: str, data: Arrays, classes: int) -> Part:
    counts = tuple(data.y.bincount(minlength=classes).tolist()) if data.classes else ()
    part = Part(name, len(data.x), counts, data.shape)
    if isinstance(data.x, Pixels) and isinstance(data.x.source, Files):
        return _of_files(part, data.x)
    x = data.x.source.x if isinstance(data.x, Pixels) else data.x  # type: ignore[attr-defined]
    if isinstance(x, Tensor):
        return Part(name, len(x), counts, data.shape, low=float(x.min()), high=float(x.max()))
    return part


def _of_files(part: Part, x: Pixels) -> Part:
    files = x.source
    assert isinstance(files, Files)
    kinds: Counter[str] = Counter()
    sides: list[int] = []
    bad: list[tuple[str, str]] = []
    rotated = 0
    for index in x.picks.tolist():
        try:
            told: Header = header(files.path(index))
            decode(files.path(index), files.channels)
        except BadImageError as error:
            bad.append((files.names[index], str(error)))
            continue
        kinds[f"{told.kind} {told.mode}"] += 1
        sides += [told.width, told.height]
        rotated += told.rotated
    span = (min(sides), max(sides)) if sides else None
    return Part(
        part.name,
        part.samples,
        part.counts,
        part.shape,
        span,
        tuple(kinds.most_common()),
        rotated,
        tuple(bad),
    )


def _duplicates(parts: list[tuple[str, Arrays]]) -> Iterator[list[tuple[str, str]]]:
    """Groups of (part, name) whose content is equal; only equal sizes are compared."""
    by_size: defaultdict[int, list[tuple[str, str, Path]]] = defaultdict(list)
    for part, data in parts:
        for name, path, size in _paths(data):
            by_size[size].append((part, name, path))
    for group in by_size.values():
        if len(group) < 2:
            continue
        alike: defaultdict[bytes, list[tuple[str, str]]] = defaultdict(list)
        for part, name, path in group:
            alike[_hashed(path)].append((part, name))
        yield from (found for found in alike.values() if len(found) > 1)


def _paths(data: Arrays) -> Iterator[tuple[str, Path, int]]:
    if isinstance(data.x, Pixels) and isinstance(data.x.source, Files):
        files = data.x.source
        for index in data.x.picks.tolist():
            yield files.names[index], files.path(index), files.sizes[index]


def _hashed(path: Path) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as held:
        while block := held.read(BLOCK):
            digest.update(block)
    return digest.digest()


def _notes(parts: tuple[Part, ...], classes: tuple[str, ...]) -> Iterator[str]:
    for part in parts:
        if not part.counts:
            continue
        seen = [c for c in part.counts if c]
        ratio = max(seen) / min(seen)
        if ratio > SKEWED:
            yield (
                f"{part.name}: the most frequent class has {ratio:.0f} times the samples of the"
                " least; train with --balance inverse, effective or sampler"
            )
        lone = [classes[i] for i, c in enumerate(part.counts) if c == 1]
        if lone:
            yield f"{part.name}: one sample only of {', '.join(lone[:5])}"
    if any(p.bad for p in parts):
        yield "bad files are skipped in training: the next good one of the class is read instead"
