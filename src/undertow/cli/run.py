"""`undertow run`."""

import atexit
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from undertow.cli import options as o
from undertow.cli.output import FINDINGS

if TYPE_CHECKING:
    from undertow.api.run import Watched
    from undertow.report.report import Report

OWN_ARGUMENTS = {  # what stands behind the script's name is the script's, options included
    "ignore_unknown_options": True,
    "allow_interspersed_args": False,
}
Script = Annotated[str, typer.Argument(help="A training script; it is not changed.")]
Arguments = Annotated[list[str] | None, typer.Argument(help="The script's own arguments.")]
Strict = Annotated[
    bool, typer.Option("--fail-on-findings", help="End with 1 where there is a finding.")
]
Own = Annotated[float, typer.Option(help="Share of a step's time the watch may cost.")]
JsonFile = Annotated[str | None, typer.Option("--json", help="Also write the report as JSON here.")]


def run(
    script: Script,
    arguments: Arguments = None,
    run: o.RunFolder = None,
    json: JsonFile = None,
    fail_on_findings: Strict = False,
    budget: Own = 0.01,
    quiet: o.Quiet = False,
) -> None:
    """Run any training script unchanged and watch what it trains; options go before its name.

    Findings go to stderr, the run and its report.html into a folder under runs/. The script's own
    output, arguments and exit code stay its own.
    """
    from undertow.api.run import run as watched
    from undertow.api.train import new_folder

    folder = Path(run) if run else new_folder(script)
    tell = None if quiet else _tell
    done = watched(script, arguments or [], folder, on_finding=tell, budget=budget)
    if json is not None:
        lines = [report.to_json() for report, _ in done.reports]
        Path(json).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    if not quiet:
        _summary(done)
    _end(done, strict=fail_on_findings)


def _tell(report: "Report") -> None:
    """A finding while the script runs: one line."""
    names = ", ".join(f"{s.id} {s.name}" for s in report.symptoms)
    step = report.record.last_step
    unnamed = report.mechanism == "healthy"  # findings, but none of the mechanisms explains them
    why = "no mechanism named yet" if unnamed else report.mechanism
    _print(f"undertow: step {step}: {names} ({why})")


def _summary(done: "Watched") -> None:
    from undertow.report.pen import pen_for
    from undertow.report.text import verdict_lines

    pen = pen_for(100, False, sys.stderr.encoding or "utf-8")
    for report, folder in done.reports:
        _print(f"undertow: {report.source}")
        _print(pen.finish([f"  {line}" for line in verdict_lines(report, pen)]))
        _print(f"  run      {folder}\n  report   {folder / 'report.html'}")
    for note in done.notes:
        _print(f"undertow: {note}")


def _print(text: str) -> None:
    """To stderr; one that is closed must not change how the script ends."""
    try:
        print(text, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        return


def _end(done: "Watched", *, strict: bool) -> None:
    """End as the script ended: its code, its traceback, its signal."""
    error = done.error
    if isinstance(error, SystemExit) and error.code not in {None, 0}:
        raise error
    if error is not None and not isinstance(error, SystemExit):
        sys.excepthook(type(error), error, error.__traceback__)
        _interrupted() if isinstance(error, KeyboardInterrupt) else sys.exit(1)
    sys.exit(FINDINGS if strict and done.findings else 0)


def _interrupted() -> Any:
    """End by the signal itself, as Python does, so that a shell sees it."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)
