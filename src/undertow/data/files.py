"""Image files as a source: listed, decoded, kept in memory where they fit, bad ones replaced."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from undertow.core.errors import UsageError
from undertow.data.decode import CONVERTED, BadImageError, decode, picture

SHOWN = 5  # bad files that a note names
SHARE, COUNT = 0.01, 100  # of images that may be bad: more means that something else is wrong


@dataclass(eq=False)
class Files:
    """Image files of one data set, with their labels.

    Attributes:
        root: the folder the names are in.
        names: relative to it.
        sizes: of the files, in bytes.
        labels: classes.
        channels: every image is brought to.
        strict: a bad file is an error.
        keep: whether decoded images stay in memory; then none is decoded at a reduced scale.
        pictures: a user's transform takes Pillow images; hand it those.
        bad: name -> why it cannot be read, as found so far.
        converted: kind of image that is brought to plain grey or RGB -> the first one's name.
    """

    root: Path
    names: tuple[str, ...]
    sizes: tuple[int, ...]
    labels: tuple[int, ...]
    channels: int
    strict: bool = False
    keep: bool = False
    pictures: bool = False
    bad: dict[str, str] = field(default_factory=dict)
    converted: dict[str, str] = field(default_factory=dict)
    _kept: dict[int, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        """How many files."""
        return len(self.names)

    def __getstate__(self) -> dict[str, Any]:
        """Without the images kept: another process reads its own."""
        return {**self.__dict__, "_kept": {}}

    def image(self, index: int, need: int | None) -> Any:
        """An image: uint8 (channels, h, w).

        Raises:
            BadImageError: it cannot be read.
            UsageError: nor can too many others, or one is enough (`strict`).
        """
        if index in self._kept:
            return self._kept[index]
        if self.names[index] in self.bad:
            raise BadImageError(self.bad[self.names[index]])

        def kind(word: str) -> None:
            self.converted.setdefault(word, self.names[index])

        try:
            if self.pictures:
                return picture(self.path(index), kind)
            made = decode(self.path(index), self.channels, None if self.keep else need, kind)
        except BadImageError as error:
            self._note(index, error)
            raise
        if self.keep:
            self._kept[index] = made
        return made

    def digest(self) -> bytes:
        """Names, sizes and labels; not the pixels, which would take too long."""
        rows = zip(self.names, self.sizes, self.labels, strict=True)
        text = "\n".join(f"{name}\t{size}\t{label}" for name, size, label in rows)
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()

    def path(self, index: int) -> Path:
        """Where a file is."""
        return self.root / self.names[index]

    def _note(self, at: int, error: BadImageError) -> None:
        self.bad[self.names[at]] = str(error)
        if self.strict:
            raise UsageError(f"{error} (--strict stops at the first bad image)") from error
        if len(self.bad) > min(COUNT, max(1, int(SHARE * len(self)))):
            listed = "; ".join(list(self.bad.values())[:3])
            raise UsageError(
                f"at least {len(self.bad)} of {len(self)} images cannot be read ({listed});"
                " see all with undertow data, and mend or remove them"
            ) from error


def told(*sources: object) -> tuple[str, ...]:
    """What reading has shown of sources that are files: each kind converted, once; the bad ones."""
    files = [source for source in sources if isinstance(source, Files)]
    bad = {name: why for source in files for name, why in source.bad.items()}
    said = [
        f"{kind} images are {CONVERTED.get(kind, 'read as RGB or grey')}; the first is {name}"
        for kind, name in {k: n for f in reversed(files) for k, n in f.converted.items()}.items()
    ]
    if bad:
        said.append(f"{len(bad)} images could not be read: {'; '.join(list(bad.values())[:SHOWN])}")
    return tuple(said)
