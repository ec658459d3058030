"""Which samples of a data set are evaluated: never silently those a net was trained on."""

from dataclasses import replace

from undertow.core.errors import UsageError, unknown
from undertow.data.arrays import Arrays
from undertow.data.split import hold_back
from undertow.use.source import Opened

WORDS = ("auto", "test", "validation", "held-back", "train", "all")
SEEN = "the net was trained on these samples: the figures say nothing of new ones"


def part_of(data: Arrays, opened: Opened, wanted: str) -> tuple[Arrays, str, tuple[str, ...]]:
    """(samples, the word of their part, notes).

    `auto` takes the test part of the data, else their validation part, else what the run held
    back of the same data, else all.

    Args:
        data: as loaded, at the size the run was given them.
        opened: the net; a run knows which data it was trained on.
        wanted: auto, test, validation, held-back, train or all.

    Raises:
        UsageError: an unknown word, or a part the data do not have.
    """
    if wanted not in WORDS:
        raise unknown("part", wanted, WORDS)
    kept, held = _split(data, opened)
    parts = {
        "test": data.test,
        "validation": data.validation,
        "held-back": held,
        "train": kept,
        "all": None if data.test or data.validation else data,
    }
    there = [word for word, part in parts.items() if part is not None]
    word = there[0] if wanted == "auto" else wanted
    if word == "train" and wanted == "auto":
        word = "all" if "all" in there else "train"
    part = parts[word]
    if part is None:
        raise UsageError(f"{data.name} has no part {word}; it has {', '.join(there)}")
    seen = _same(data, opened) and word in ("train", "all")
    return replace(part, name=data.name), word, (SEEN,) if seen else ()


def _same(data: Arrays, opened: Opened) -> bool:
    return bool(opened.fingerprint) and opened.fingerprint == data.fingerprint


def _split(data: Arrays, opened: Opened) -> tuple[Arrays, Arrays | None]:
    """(training part, what the run held back of it; None for other data or a part of their own)."""
    plain = replace(data, validation=None, test=None)
    if opened.plan is None or data.validation is not None or not _same(data, opened):
        return plain, None
    return hold_back(plain, opened.plan.validation, opened.plan.seed)
