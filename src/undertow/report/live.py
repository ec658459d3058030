"""A training's health on one line of a terminal, redrawn at most four times a second."""

import shutil
import time
from collections import deque
from collections.abc import Callable
from statistics import median
from typing import TextIO

from undertow.core.finding import Symptom
from undertow.core.record import Cell, Scalars
from undertow.report.findings import MARKS, NON_FINITE
from undertow.report.pen import pen_for
from undertow.report.report import Report

EVERY = 0.25  # seconds between two drawings, at least
SMOOTH = 10  # losses whose median is shown, as `progress` is judged
WATCHING, HEALTHY = "watching", "healthy so far"
CLEAR = "\r\x1b[K"  # to the line's start, and erase to its end


def on_terminal(stream: TextIO | None, name: str) -> "Line | None":
    """A line on a terminal; None where nobody looks: a pipe, a file, a notebook, a closed stream.

    Args:
        stream: usually the standard error.
        name: of what trains.
    """
    try:
        return Line(stream, name) if stream is not None and stream.isatty() else None
    except ValueError:  # it is closed
        return None


class Line:
    """Step, loss, share of the constant answer's loss, rate and health of a training.

    A finding stays above the line, with the step at which it was first seen and its layer.

    Args:
        stream: a terminal.
        name: of what trains; two watches at once are told apart by it.
        clock: seconds.
    """

    def __init__(
        self, stream: TextIO, name: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream, self._name, self._clock = stream, name, clock
        self._pen = pen_for(0, False, stream.encoding or "ascii")
        self._due, self._drawn = -EVERY, False
        self._losses: deque[float] = deque(maxlen=SMOOTH)
        self._health = WATCHING
        self._told: set[str] = set()

    def step(self, scalars: Scalars, const_loss: Cell) -> None:
        """A step is over; `const_loss` is the constant answer's, None where not known."""
        if scalars.loss is not None:
            self._losses.append(scalars.loss)
        now = self._clock()
        if now >= self._due:
            self._due = now + EVERY
            self._show(self._text(scalars, const_loss))

    def judged(self, found: Report) -> None:
        """The run was judged; what was not yet told is printed to stay."""
        symptoms = [s for s in found.symptoms if not s.note]
        self._health = self._said(symptoms[0]) if symptoms else HEALTHY
        for symptom in symptoms:
            said = f"{self._said(symptom)}: {symptom.says}"
            if said not in self._told:
                self.close()
                self._told.add(said)
                self._write(f"undertow: {self._name}: {said}\n")

    def close(self) -> None:
        """Leave a clean line behind."""
        if self._drawn:
            self._write(CLEAR)
            self._drawn = False

    def _said(self, symptom: Symptom) -> str:
        mark, _ = MARKS.get(symptom.name, (NON_FINITE if symptom.name == "non-finite" else "", ""))
        where = f" in {symptom.layers[0]}" if symptom.layers else ""
        return f"{mark} {symptom.id} {symptom.name}{where} since step {symptom.since}".strip()

    def _text(self, scalars: Scalars, const_loss: Cell) -> str:
        parts = [self._name, f"step {scalars.step}", self._health]
        if self._losses:
            loss = median(self._losses)
            parts.append(f"loss {loss:.4g}")
            if const_loss:
                parts.append(f"{loss / const_loss:.2f} of guessing")
        if scalars.lr is not None:
            parts.append(f"lr {scalars.lr:.3g}")
        return " · ".join(parts)

    def _show(self, text: str) -> None:
        self._drawn = True
        width = shutil.get_terminal_size().columns - 1  # one that wraps could not be redrawn
        self._write(f"{CLEAR}{self._pen.form(text)[:width]}\r")  # the loop's own output goes over

    def _write(self, text: str) -> None:
        self._stream.write(self._pen.form(text))
        self._stream.flush()
