"""What `undertow run` does: a script run unchanged, its networks watched, judged and reported."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from undertow.api.diagnose import report_of
from undertow.api.settings import settings
from undertow.instrument.script import run_script
from undertow.report.report import Report

__all__ = ["Watched", "run"]


@dataclass(frozen=True, eq=False)
class Watched:
    """A script that has ended, and what was seen.

    Attributes:
        reports: one a network, with the folder that holds its run and `report.html`.
        error: what ended the script (SystemExit, KeyboardInterrupt, an exception), or None.
        notes: what was not watched, and why.
    """

    reports: tuple[tuple[Report, Path], ...]
    error: BaseException | None
    notes: tuple[str, ...]

    @property
    def findings(self) -> bool:
        """Whether any network has a finding."""
        return any(r.symptoms or r.mechanism != "healthy" for r, _ in self.reports)


def run(
    script: str | Path,
    arguments: Sequence[str],
    folder: Path,
    *,
    on_finding: Callable[[Report], object] | None = None,
    budget: float = 0.01,
) -> Watched:
    """Run a training script as `python SCRIPT ARGS...` would, and judge what it trained.

    Args:
        script: its path.
        arguments: its own.
        folder: of the run of its first network.
        on_finding: called with the report when there is a new finding.
        budget: share of a step's time the watch may cost.

    Raises:
        UsageError: no such script, or the folder holds a run already.
    """
    judge = partial(report_of, own=settings())  # read before the script may change the folder
    ended = run_script(
        script, arguments, folder=folder, judge=judge, on_finding=on_finding, budget=budget
    )
    reports = tuple((judge(net.record), net.folder) for net in ended.nets)
    for report, where in reports:
        report.to_html(where / "report.html")
    return Watched(reports, ended.error, ended.notes)
