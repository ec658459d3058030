"""What `undertow compare` does: two stored runs, and what differs between them. No torch."""

from pathlib import Path

from undertow.api.diagnose import diagnose
from undertow.report.compare import Comparison
from undertow.report.compare import compare as differences

__all__ = ["compare"]


def compare(a: str | Path, b: str | Path) -> Comparison:
    """The differences of two stored runs: plan, layers, profile, verdict.

    Raises:
        UsageError: one of them is no run, or cannot be read.
    """
    return differences(diagnose(a), diagnose(b), (str(a), str(b)))
