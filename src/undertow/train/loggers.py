"""Who else is told how a training goes: TensorBoard, a CSV file, any object with two methods."""

import csv
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from undertow.core.errors import EnvironmentFaultError, UsageError, unknown
from undertow.core.record import Scalars
from undertow.core.run import Evaluation
from undertow.train.fit import Each

WORDS = ("tensorboard", "csv", "none")


@runtime_checkable
class Logger(Protocol):
    """What is told of a training, evaluation by evaluation.

    The values are at most six: `train/loss`, `train/accuracy` and `train/grad_norm` (means of the
    steps since the evaluation before), `train/lr`, `held/loss` and `held/accuracy`; one that was
    not measured is left out. Of inputs mixed by mixup or cutmix there is `train/mixed_accuracy`
    (the share answered by the label of the larger share) in place of `train/accuracy`.
    """

    def scalars(self, step: int, values: dict[str, float], /) -> object:
        """The numbers of the evaluation after `step` steps."""

    def close(self) -> object:
        """Nothing more comes."""


class Loggers:
    """Tells every logger; one that raises is dropped with one warning and the training goes on."""

    def __init__(
        self, given: object, folder: Path, each: Each = lambda _scalars, _found: None
    ) -> None:
        """Take the loggers.

        Args:
            given: words of `WORDS` (with commas), objects with the two methods, or a sequence of
                both; None is TensorBoard where it is installed.
            folder: of the run; `tensorboard/` and `scalars.csv` lie in it.
            each: who is told every step before them.

        Raises:
            UsageError: an unknown word, or an object without the two methods.
            EnvironmentFaultError: TensorBoard was asked for and is not installed.
        """
        self._loggers: list[Logger] = [_made(one, folder) for one in _asked(given)]
        self._each = each
        self._steps: list[Scalars] = []

    def __enter__(self) -> "Loggers":
        return self

    def __exit__(self, *_: object) -> None:
        for logger in tuple(self._loggers):
            self._tried(logger, logger.close)

    def each(self, scalars: Scalars, found: Evaluation | None) -> None:
        """A step is over; at its evaluation, if it has one, the loggers are told."""
        self._each(scalars, found)
        self._steps.append(scalars)
        if found is None:
            return
        values = _values(self._steps, found)
        self._steps.clear()
        for logger in tuple(self._loggers):
            self._tried(logger, partial(logger.scalars, found.step, dict(values)))

    def _tried(self, logger: Logger, call: Callable[[], object]) -> None:
        try:
            call()
        except Exception as error:  # whatever it is, the training outlives it
            self._loggers.remove(logger)
            name, what = type(logger).__name__, f"{type(error).__name__}: {error}"
            warnings.warn(f"logger {name} raised {what}; it is told no more", stacklevel=2)


def _asked(given: object) -> list[object]:
    if given is None:
        return ["tensorboard"] if find_spec("tensorboard") else []
    many = given if isinstance(given, Sequence) and not isinstance(given, str) else (given,)
    split = (one.split(",") if isinstance(one, str) else (one,) for one in many)
    flat = [one.strip() if isinstance(one, str) else one for part in split for one in part]
    return [one for one in flat if one != "none"]


def _made(asked: Any, folder: Path) -> Logger:
    if asked == "csv":
        return Csv(folder / "scalars.csv")
    if asked == "tensorboard":
        if not find_spec("tensorboard"):
            raise EnvironmentFaultError(
                "loggers=tensorboard needs TensorBoard, which is not installed; pip install"
                " undertow[interop], or leave it out"
            )
        return TensorBoard(folder / "tensorboard")
    if isinstance(asked, str):
        raise unknown("loggers", asked, WORDS)
    if isinstance(asked, type) or not isinstance(asked, Logger):
        raise UsageError(
            f"a logger of type {type(asked).__name__} has not the methods scalars(step, values) and"
            f" close(); give an object with both, or {', '.join(WORDS)}"
        )
    return asked


def _values(steps: Sequence[Scalars], found: Evaluation) -> dict[str, float]:
    told = {
        "train/loss": _mean([s.loss for s in steps]),
        "train/accuracy": _mean([s.accuracy for s in steps]),
        MIXED: _mean([s.mixed_accuracy for s in steps]),
        "train/grad_norm": _mean([s.grad_norm for s in steps]),
        "train/lr": steps[-1].lr,
        "held/loss": found.loss,
        "held/accuracy": found.accuracy,
    }
    return {name: value for name, value in told.items() if value is not None}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return math.fsum(known) / len(known) if known else None


class TensorBoard:
    """Event files as `tensorboard --logdir RUN` shows them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: Any = None

    def scalars(self, step: int, values: Mapping[str, float], /) -> None:
        """Write them; a resume hides what the sitting before wrote of this step and later ones."""
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(self._folder), purge_step=step)
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        """Close the file, where there is one."""
        if self._writer is not None:
            self._writer.close()


MIXED = "train/mixed_accuracy"
COLUMNS = (
    "step",
    "train/loss",
    "train/accuracy",
    "train/grad_norm",
    "train/lr",
    "held/loss",
    "held/accuracy",
)


class Csv:
    """One line an evaluation; a resume drops the lines it writes anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._columns: tuple[str, ...] = ()

    def scalars(self, step: int, values: Mapping[str, float], /) -> None:
        """Add a line."""
        if not self._columns:
            before = self._lines(step)
            mixed = {"train/accuracy": MIXED} if MIXED in values else {}
            self._columns = tuple(mixed.get(c, c) for c in COLUMNS)
            with self._path.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([self._columns, *before])
        with self._path.open("a", newline="", encoding="utf-8") as file:
            row = [step, *(f"{values[c]:.6g}" if c in values else "" for c in self._columns[1:])]
            csv.writer(file).writerow(row)

    def _lines(self, step: int) -> list[list[str]]:
        """What an earlier sitting wrote of steps before this one."""
        if not self._path.exists():
            return []
        with self._path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.reader(file) if row and row[0].isdigit()]
        return [row for row in rows if int(row[0]) < step]

    def close(self) -> None:
        """Every line is written already."""
