"""What `evaluate` returns: counts over a data set, the shares made of them, and how they print."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from undertow.core.codec import decode, encode
from undertow.core.errors import UsageError
from undertow.core.scores import (
    Bin,
    Binary,
    ClassScore,
    Confusion,
    Miss,
    balanced_accuracy,
    calibration_error,
    class_scores,
    wilson,
)
from undertow.report.numbers import MISSING, counted, number
from undertow.report.pen import Pen, pen_for
from undertow.report.report import write
from undertow.report.tables import Table

FORMAT = 1  # raise it when an older reader would misread what is written
FEW = 20  # classes that are all listed on a terminal; of more, the ten of lowest recall
WEAKEST, MIXED, WORST = 10, 5, 5  # lines on a terminal
HALVES = 2  # classes of one sigmoid unit


@dataclass(frozen=True, slots=True)
class Scores:
    """An evaluation: frozen, equal, picklable, JSON both ways.

    Attributes:
        model: what was evaluated.
        data: on what.
        part: of the data: test, validation, held-back, train or all.
        n: samples.
        loss: its word.
        mean_loss: over the samples.
        names: of the classes; () where targets are no classes, as is all of the next six.
        confusion: samples by true class (rows) and guess (columns).
        top5: samples whose class is among the five likeliest; None with up to five classes.
        bins: of confidence.
        binary: of one sigmoid unit, else None.
        worst: the samples of highest loss, worst first.
        crops: of each image whose probabilities are averaged.
        preprocessing: how an image became an input, as (word, value).
        skipped: files that could not be read, and why.
        notes: what a reader should know.
    """

    model: str
    data: str
    part: str
    n: int
    loss: str
    mean_loss: float
    names: tuple[str, ...] = ()
    confusion: Confusion = ()
    top5: int | None = None
    bins: tuple[Bin, ...] = ()
    binary: Binary | None = None
    worst: tuple[Miss, ...] = ()
    crops: int = 1
    preprocessing: tuple[tuple[str, str], ...] = ()
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def right(self) -> int:
        """Samples whose guess is their class."""
        return sum(row[i] for i, row in enumerate(self.confusion))

    @property
    def accuracy(self) -> float | None:
        """Share right: top-1, or at threshold .5 of one unit; None without classes."""
        return self.right / self.n if self.confusion else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval of the accuracy (Wilson)."""
        return wilson(self.right, self.n) if self.confusion else None

    @property
    def top5_accuracy(self) -> float | None:
        """Share of samples whose class is among the five likeliest."""
        return None if self.top5 is None else self.top5 / self.n

    @property
    def top5_interval(self) -> tuple[float, float] | None:
        """95 % interval of the top-5 accuracy (Wilson)."""
        return None if self.top5 is None else wilson(self.top5, self.n)

    @property
    def classes(self) -> tuple[ClassScore, ...]:
        """Precision, recall and F1 of every class."""
        return class_scores(self.confusion, self.names)

    @property
    def balanced(self) -> float | None:
        """Mean recall over the classes that have samples."""
        return balanced_accuracy(self.classes)

    @property
    def calibration_error(self) -> float | None:
        """Expected calibration error, 0..1."""
        return calibration_error(self.bins)

    @property
    def mixed_up(self) -> tuple[tuple[str, str, int], ...]:
        """(class, taken for, how often), most often first."""
        found = [
            (self.names[i], self.names[j], count)
            for i, row in enumerate(self.confusion)
            for j, count in enumerate(row)
            if i != j and count
        ]
        return tuple(sorted(found, key=lambda f: -f[2]))

    def to_json(self) -> str:
        """All fields, and under "derived" what is computed from them."""
        return json.dumps(
            {"format": FORMAT, **encode(self), "derived": encode(_derived(self))}, allow_nan=False
        )

    @classmethod
    def from_json(cls, text: str) -> "Scores":
        """The scores as `to_json` wrote them.

        Raises:
            UsageError: no such JSON, or of a newer format.
        """
        try:
            data: Any = json.loads(text)
        except ValueError as error:
            raise UsageError(f"these are no stored scores: {error}") from error
        if not isinstance(data, dict) or not isinstance(data.get("format"), int):
            raise UsageError("these are no stored scores: they have no format number")
        if data["format"] > FORMAT:
            raise UsageError(f"scores of format {data['format']} are newer than {FORMAT};"
                             " update undertow")  # fmt: skip
        return decode(cls, data)

    def to_text(self, width: int = 100, color: bool = False, encoding: str = "utf-8") -> str:
        """The scores for a terminal."""
        pen = pen_for(width, color, encoding)
        return pen.finish(list(_lines(self, pen)))

    def to_html(self, path: str | Path, command: str = "") -> None:
        """Write the page: one file, no script.

        Args:
            path: of the file.
            command: what repeats it.

        Raises:
            EnvironmentFaultError: it cannot be written.
        """
        from undertow.report.scores_page import page

        write(Path(path), page(self, command))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Scores):
            return NotImplemented
        return bool(encode(self) == encode(other))  # as written: NaN equals NaN

    def __hash__(self) -> int:
        return hash((self.model, self.data, self.n, self.confusion))

    def __repr__(self) -> str:
        told = f"loss {number(self.mean_loss)}"
        told = told if self.accuracy is None else f"{exact(self.accuracy)} right, {told}"
        return f"Scores({self.model} on {self.data} {self.part}: {told}, {self.n} samples)"

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        """The body of the page, for a notebook."""
        from undertow.report.scores_page import body

        return body(self)


def _derived(s: Scores) -> dict[str, Any]:
    rows = {
        c.name: {"precision": c.precision, "recall": c.recall, "f1": c.f1, "support": c.support}
        for c in s.classes
    }
    return {
        "accuracy": s.accuracy,
        "interval": s.interval,
        "top5": s.top5_accuracy,
        "top5_interval": s.top5_interval,
        "balanced_accuracy": s.balanced,
        "calibration_error": s.calibration_error,
        "classes": rows,
    }


def exact(value: float | None) -> str:
    """A share in per cent with two decimals, as tables of accuracy give it."""
    return MISSING if value is None else f"{100 * value:.2f} %"


def span_words(interval: tuple[float, float] | None) -> str:
    """An interval of shares, in per cent."""
    return "" if interval is None else f"[{100 * interval[0]:.2f}, {100 * interval[1]:.2f}]"


def subject(s: Scores) -> str:
    """What was evaluated on what."""
    how = "" if s.crops == 1 else f" · {s.crops} crops"
    return f"{s.model} · {s.data} ({s.part}) · {counted(s.n, 'sample')}{how}"


def headline(s: Scores) -> tuple[tuple[str, str, str], ...]:
    """(what, value, more) of the whole: accuracy with its interval, loss, calibration, areas."""
    rows = [("loss", number(s.mean_loss), s.loss)]
    if s.accuracy is not None:
        what = "accuracy" if len(s.names) == HALVES else "top-1"
        rows.insert(0, (what, exact(s.accuracy), f"{span_words(s.interval)} 95 % interval"))
    if s.top5 is not None:
        rows.insert(1, ("top-5", exact(s.top5_accuracy), span_words(s.top5_interval)))
    if s.balanced is not None:
        rows.append(("balanced", exact(s.balanced), "mean recall of the classes"))
    if s.calibration_error is not None:
        rows.append(("calibration", exact(s.calibration_error), calibrated(s)))
    if s.binary is not None:
        rows += [
            ("ROC area", number(s.binary.roc_area), ""),
            ("PR area", number(s.binary.pr_area), "average precision"),
            ("Brier", number(s.binary.brier), "mean squared error of the probability"),
        ]
    return tuple(rows)


def calibrated(s: Scores) -> str:
    """Which way confidence and truth part, in words."""
    n = sum(b.n for b in s.bins) or 1
    sure, true = sum(b.n * b.confidence for b in s.bins) / n, sum(b.right for b in s.bins) / n
    what = "class 1" if s.binary is not None else "right"
    return f"expected error; mean confidence {exact(sure)}, {exact(true)} {what}"


def class_table(scores: tuple[ClassScore, ...]) -> Table:
    """Classes and their shares."""
    head = ("class", "samples", "precision", "recall", "F1")
    rows = tuple(
        (c.name, str(c.support), exact(c.precision), exact(c.recall), exact(c.f1)) for c in scores
    )
    return Table(head, rows, (False, True, True, True, True))


def worst_table(found: tuple[Miss, ...]) -> Table:
    """Samples of highest loss."""
    head = ("sample", "class", "taken for", "loss", "chance of its class")
    rows = tuple(
        (m.name, m.label, f"{m.guess} ({exact(m.confidence)})", number(m.loss),
         number(m.probability)) for m in found
    )  # fmt: skip
    return Table(head, rows, (False, False, False, True, True))


def weakest(s: Scores) -> tuple[ClassScore, ...]:
    """Classes with samples, those of lowest recall first."""
    return tuple(sorted((c for c in s.classes if c.support), key=lambda c: c.recall or 0.0))


def _lines(s: Scores, pen: Pen) -> Iterator[str]:
    yield subject(s)
    yield ""
    for what, value, more in headline(s):
        yield f"  {what:<12} {value:>9}  {more}"
    if s.confusion:
        yield from ("", *_classes(s, pen))
    if s.worst:
        yield from ("", "  highest loss", *pen.columns(worst_table(s.worst[:WORST])))
    yield ""
    for word, value in s.preprocessing:
        yield from pen.labelled(word, value)
    if s.skipped:
        yield from pen.labelled("skipped", f"{counted(len(s.skipped), 'file')}: {s.skipped[0]}")
    for note in s.notes:
        yield from pen.wrap("  · ", note)


def _classes(s: Scores, pen: Pen) -> Iterator[str]:
    many = len(s.names) > FEW
    shown = weakest(s)[:WEAKEST] if many else s.classes
    if many:
        yield f"  the {len(shown)} classes of lowest recall, of {len(s.names)}"
    yield from pen.columns(class_table(shown))
    if s.mixed_up:
        pairs = "; ".join(f"{own} → {guess} {n}×" for own, guess, n in s.mixed_up[:MIXED])
        yield ""
        yield from pen.labelled("mixed up", pairs)
