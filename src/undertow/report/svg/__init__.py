"""Charts of the page as inline SVG: pure functions, data -> markup, each with its numbers."""

from undertow.report.svg.curves import line_probe, one_batch, training
from undertow.report.svg.draw import Figure
from undertow.report.svg.heatmap import heatmap
from undertow.report.svg.profile import bars, profile, rows_of
from undertow.report.svg.proof import factors, paired

__all__ = [
    "Figure",
    "bars",
    "factors",
    "heatmap",
    "line_probe",
    "one_batch",
    "paired",
    "profile",
    "rows_of",
    "training",
]
