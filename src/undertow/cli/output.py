"""What commands print: reports as text or JSON, progress on a terminal's stderr, exit codes."""

import sys
from contextvars import ContextVar
from os import environ
from pathlib import Path
from shutil import get_terminal_size
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

import typer

if TYPE_CHECKING:
    from undertow.report.report import Report

FINDINGS = 1
WIDTH, NARROW = 100, 60
MACHINE: ContextVar[TextIO | None] = ContextVar("MACHINE", default=None)


def machine(line: str) -> None:
    """Print to the stdout that `--json` keeps free of everything else."""
    print(line, file=MACHINE.get() or sys.stdout, flush=True)


class Progress:
    """One line on stderr that is written over, on a terminal only; silent elsewhere."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._on = not quiet and sys.stderr.isatty()
        self._status: Any = None

    def __enter__(self) -> "Progress":
        if self._on:
            from rich.console import Console

            self._status = Console(stderr=True).status("starting")
            self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def tell(self, text: str) -> None:
        """Show what is being done now."""
        if self._status is not None:
            self._status.update(text)


class Counter:
    """A bar of things done on stderr, on a terminal only; silent elsewhere."""

    def __init__(self, what: str, *, quiet: bool = False) -> None:
        self._what, self._on = what, not quiet and sys.stderr.isatty()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> "Counter":
        if self._on:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

            columns = (MofNCompleteColumn(), self._what, BarColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task("")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def tell(self, done: int, of: int) -> None:
        """Show how many are done."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=of)


def show(report: "Report", *, json: bool, html: str | None) -> None:
    """Print a report and write its page where one is asked for."""
    if json:
        machine(report.to_json())
    else:
        print(report.to_text(**terminal()))
    if html is not None:
        report.to_html(Path(html))
        print(f"report: {html}", file=sys.stderr if json else sys.stdout)


def terminal() -> dict[str, Any]:
    """How stdout wants text: its width (100 where it is no terminal), colour, encoding."""
    on = sys.stdout.isatty()
    columns = get_terminal_size((WIDTH, 24)).columns if on else WIDTH
    return {
        "width": min(WIDTH, max(NARROW, columns)),
        "color": on and "NO_COLOR" not in environ,
        "encoding": sys.stdout.encoding or "utf-8",
    }


def ended(good: bool) -> None:
    """Exit 0 where all is well or done, 1 with findings or nothing shown."""
    raise typer.Exit(0 if good else FINDINGS)
