"""Layer 2: what people read. A `Report` as terminal text, one HTML file, or JSON; no torch."""

from undertow.report.report import LayerRow, Report

__all__ = ["LayerRow", "Report"]
