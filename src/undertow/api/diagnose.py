"""`ut.diagnose`: the report of a stored run, without torch."""

from dataclasses import replace
from pathlib import Path

from undertow.api.settings import settings
from undertow.core.codec import decode
from undertow.core.record import Record
from undertow.core.run import Evaluation
from undertow.diagnosis.engine import diagnose as judge
from undertow.diagnosis.settings import Settings
from undertow.record.store import read_events, read_run
from undertow.remedies.rank import rank
from undertow.report.report import Report

__all__ = ["diagnose", "report_of"]


def report_of(record: Record, own: Settings | None = None) -> Report:
    """The report of a record: diagnosis, then the remedies that answer it.

    Args:
        record: of a check or a run.
        own: the user's settings; None reads those of the nearest pyproject.toml.

    Raises:
        UsageError: that file holds what cannot be.
    """
    found = judge(record, settings=settings() if own is None else own)
    return Report(replace(found, remedies=rank(found, record, record.plan)), record)


def diagnose(run: str | Path) -> Report:
    """The same report a live watch gives, from a stored run folder, with its evaluations.

    Raises:
        UsageError: no run there, a newer format, or a file that cannot be read.
    """
    report = report_of(read_run(Path(run)))
    told = [data for kind, data in read_events(Path(run)) if kind == "evaluation"]
    return replace(report, evaluations=tuple(decode(Evaluation, data) for data in told))
