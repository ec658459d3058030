"""Live progress of a training: a bar on a terminal, one plain line an epoch elsewhere."""

import sys
from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from undertow.core.record import Scalars
    from undertow.core.run import Evaluation
    from undertow.report.report import Report

SMOOTH = 0.1  # weight of the newest loss in the one shown


class Live:
    """Told each step and evaluation; shows steps, ETA, loss, held-back accuracy and health."""

    def __init__(self, total: int, epoch: int, *, quiet: bool = False) -> None:
        self._total, self._epoch, self._quiet = total, epoch, quiet
        self._bar: Any = None
        self._task: Any = None
        self._loss: float | None = None
        self._words = {"health": "watching", "held": ""}

    def __enter__(self) -> "Live":
        if not self._quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("step {task.completed}/{task.total}"),
                BarColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.description}"),
                console=Console(stderr=True),
            )
            self._bar.start()
            self._task = self._bar.add_task("", total=self._total)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def step(self, scalars: "Scalars", found: "Evaluation | None") -> None:
        """One training step, and its evaluation where there was one."""
        if scalars.loss is not None:
            old = scalars.loss if self._loss is None else self._loss
            self._loss = old + SMOOTH * (scalars.loss - old)
        if found is not None:
            right = (
                f"{found.accuracy:.2%}" if found.accuracy is not None else f"loss {found.loss:.4g}"
            )
            self._words["held"] = f"held-back {right}"
            if self._words["health"] == "watching" and scalars.step >= 99:
                self._words["health"] = "healthy so far"
        if self._bar is not None:
            self._bar.update(self._task, completed=scalars.step + 1, description=self._text())
        elif found is not None and not self._quiet:
            epoch = (scalars.step + 1 + self._epoch - 1) // self._epoch
            print(
                f"epoch {epoch}  step {scalars.step + 1}/{self._total}  {self._text()}",
                file=sys.stderr,
            )

    def finding(self, report: "Report") -> None:
        """A finding while it trains."""
        names = ", ".join(f"{s.id} {s.name}" for s in report.symptoms)
        self._words["health"] = names or report.mechanism

    def anew(self) -> None:
        """What was found has been answered: the training goes on, and is watched again."""
        self._loss, self._words["health"] = None, "watching"

    def around(self, ask: Callable[[str], bool]) -> Callable[[str], bool]:
        """The same question with the bar away: it would hold back a line without an end."""

        @wraps(ask)
        def alone(question: str) -> bool:
            if self._bar is None:
                return ask(question)
            self._bar.stop()
            try:
                return ask(question)
            finally:
                self._bar.start()

        return alone

    def _text(self) -> str:
        loss = "" if self._loss is None else f"loss {self._loss:.4g}"
        return "  ".join(w for w in (loss, self._words["held"], self._words["health"]) if w)
