"""The demonstration: check, repair, train and report by the verbs any network gets."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from undertow.api.check import checked
from undertow.api.diagnose import diagnose
from undertow.api.repair import Fix, proven
from undertow.api.target import case, source, trials
from undertow.api.train import prepared, trained
from undertow.core.errors import UsageError
from undertow.core.plan import Plan
from undertow.core.run import Run
from undertow.data.arrays import Arrays, load
from undertow.data.split import hold_back
from undertow.experiment.pair import Source
from undertow.report.page import Part, render
from undertow.report.report import Report, write
from undertow.train.fit import Each, Job

TEST = 0.2  # share never seen by the check, the repair or the training
PASS = 0.95  # share right on it that the demonstration must reach
STEPS, SEEDS = 300, 3


@dataclass(frozen=True, eq=False)
class Stage:
    """The net of the demonstration and its data: `rest` to work with, all to split for the end."""

    source: Source
    data: Arrays
    rest: Arrays
    seed: int


def stage(wanted: Plan) -> Stage:
    """The digits with a test share set aside first, and the net as it was asked for.

    Raises:
        UsageError: choices that no net can be built from.
    """
    data = load("digits")
    rest, _ = hold_back(data, TEST, wanted.seed)
    return Stage(source(wanted, data), data, rest, wanted.seed)


def look(at: Stage, options: str, tell: Callable[[str], None]) -> Report:
    """The check before training; `options` as they were typed."""
    facts = (("data", "digits"), ("options", options))
    return checked(case(at.source, at.rest, "conv", at.seed), facts=facts, tell=tell)


def mend(at: Stage, report: Report, budget_s: float, tell: Callable[[str], None]) -> Fix:
    """The repair of what the check found, proven by paired training."""
    how = trials(at.rest, TEST, steps=STEPS, seeds=SEEDS, budget_s=budget_s, tell=tell)
    return proven(at.source, how, name="conv", report=report)


def job(at: Stage, fix: Fix | None, folder: Path) -> Job:
    """The last training: the repaired net where a repair was shown, else the net as it is."""
    made = at.source if fix is None or fix.source is None else fix.source
    return prepared(made, at.data, TEST, at.seed, folder)


def finish(
    made: Job, each: Each, on_finding: Callable[[Report], object], options: str
) -> tuple[Run, Report]:
    """Train under the watch; the run and its report."""
    run = trained(made, each=each, on_finding=on_finding, options=options)
    return run, diagnose(run.folder)


def page(parts: list[tuple[str, Report, str]], folder: Path, command: str) -> Path:
    """One self-contained page of all parts, in the run folder."""
    path = folder / "report.html"
    made = [Part(title, report, text) for title, report, text in parts]
    write(path, render("Undertow demo", made, command))
    return path


def passed(run: Run) -> bool:
    """Whether the last evaluation reached 95 %.

    Raises:
        UsageError: the training ended before any evaluation.
    """
    if not run.evaluations:
        raise UsageError("the training ended before its first evaluation")
    return (run.evaluations[-1].accuracy or 0.0) >= PASS
