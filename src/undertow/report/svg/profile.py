"""The profile: four aligned logarithmic strips over depth, with an earlier net behind it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from undertow.report.findings import MARKS, slope
from undertow.report.numbers import number, span
from undertow.report.report import LayerRow, Report
from undertow.report.svg.draw import (
    CHAR,
    LEFT,
    RIGHT,
    Figure,
    Scale,
    Series,
    figure,
    legend,
    line,
    log_scale,
    plotted,
    rect,
    text,
    y_axis,
)
from undertow.report.tables import Table

STRIPS = (  # statistic, heading
    ("act_rms", "forward rms"),
    ("grad_l2", "gradient at the output, |dL/dh|"),
    ("wgrad_l2", "gradient of the weights, |dL/dW|"),
    ("update_ratio", "update/weight"),
)
BAND = (1e-4, 1e-2)  # update/weight of nets that train (performance of a step; a guide, no limit)
STRIP, GAP, TOP, BOTTOM = 84, 38, 26, 34  # heights in user units
LABEL = 58.0  # width one layer's name needs


@dataclass(frozen=True, slots=True)
class Depth:
    """The places of layers on the horizontal axis."""

    names: tuple[str, ...]
    left: float
    right: float

    @property
    def x(self) -> tuple[float, ...]:
        """The middle of each layer's slot."""
        slot = (self.right - self.left) / len(self.names)
        return tuple(self.left + slot * (i + 0.5) for i in range(len(self.names)))

    def labels(self, y: float) -> str:
        """As many layer names as fit, first and last among them."""
        fit = max(2, int((self.right - self.left) / LABEL))
        every = math.ceil(len(self.names) / fit)
        shown = [i for i in range(0, len(self.names), every) if i + every <= len(self.names)]
        shown = sorted({*shown, len(self.names) - 1})
        room = int(LABEL * 0.95 / CHAR)
        return "".join(
            text(self.x[i], y, short(self.names[i], room), "tick", "middle") for i in shown
        )


def short(name: str, room: int) -> str:
    """The end of a long name: there is where paths differ."""
    return name if len(name) <= room else f"…{name[-room + 1 :]}"


def rows_of(report: Report) -> tuple[LayerRow, ...]:
    """The rows of a profile over depth: a norm's own parameters are left out."""
    roles = {y.order: y.role for y in report.record.layers}
    return tuple(r for r in report.layers if roles.get(r.order) != "norm")


def depth_of(rows: Sequence[LayerRow], width: int) -> Depth:
    """The horizontal axis for these rows at a drawing's width."""
    return Depth(tuple(r.path for r in rows), LEFT[width], width - RIGHT)


def profile(report: Report, name: str, before: Report | None = None) -> Figure | None:
    """The profile figure; None where no statistic of it was measured.

    Args:
        report: whose layers are drawn.
        name: the figure's id on the page.
        before: an earlier net of as many layers, drawn dashed behind.
    """
    rows = rows_of(report)
    behind = rows_of(before) if before is not None else ()
    behind = behind if len(behind) == len(rows) else ()
    if not any(getattr(r, stat) is not None for r in rows for stat, _ in STRIPS):
        return None

    def draw(width: int) -> tuple[int, str]:
        return _drawn(report, rows, behind, width)

    table = Table(
        ("layer", *(heading for _, heading in STRIPS)),
        tuple((r.path, *(number(getattr(r, stat)) for stat, _ in STRIPS)) for r in rows),
        (False, True, True, True, True),
    )
    return figure(name, "Profile over depth", _sentence(report, rows, bool(behind)), draw, table)


def _sentence(report: Report, rows: Sequence[LayerRow], compared: bool) -> str:
    lost = slope(report.record)
    words = "Signal, gradients and step of every layer, input on the left, logarithmic. "
    if lost is not None and lost.underflow:
        words += "The gradient reaches exactly 0 before the first layer. "
    elif lost is not None:
        way = "smaller" if lost.total > 0 else "larger"
        factor = 10 ** -abs(lost.total) if lost.total > 0 else 10 ** abs(lost.total)
        words += (
            f"At the first hidden layer the gradient is {number(factor)} of that at the last, "
            f"{abs(lost.total):.1f} decades {way}. "
        )
    if any(r.update_ratio is not None for r in rows):
        words += "The band marks update/weight of 1e-4 to 1e-2. "
    return words + ("Dashed: the net before." if compared else "")


def _drawn(
    report: Report, rows: Sequence[LayerRow], behind: Sequence[LayerRow], width: int
) -> tuple[int, str]:
    depth = depth_of(rows, width)
    shown = [(s, h) for s, h in STRIPS if any(getattr(r, s) is not None for r in rows)]
    height = TOP + len(shown) * (STRIP + GAP) + BOTTOM - GAP + 12
    parts = [_flags(report, depth, height - BOTTOM)]
    for i, (stat, heading) in enumerate(shown):
        top = TOP + 12 + i * (STRIP + GAP)
        parts.append(_strip(stat, heading, depth, rows, behind, top))
    if behind:
        parts.append(legend(depth.left, 14, (("s1", "this net"), ("s2 dash", "before"))))
    parts.append(depth.labels(height - BOTTOM + 20))
    return height, "".join(parts)


def _strip(
    stat: str,
    heading: str,
    depth: Depth,
    rows: Sequence[LayerRow],
    behind: Sequence[LayerRow],
    top: float,
) -> str:
    now = tuple(getattr(r, stat) for r in rows)
    then = tuple(getattr(r, stat) for r in behind)
    guide = BAND if stat == "update_ratio" else ()
    scale = log_scale((*now, *then, *guide), top + STRIP, top)
    parts = [text(depth.left, top - 7, heading, "strip"), _band(scale, depth) if guide else ""]
    parts.append(y_axis(scale, depth.left, depth.right))
    if then:
        parts.append(plotted(Series(then, depth.names, "s2 dash"), depth.x, scale))
    parts.append(plotted(Series(now, depth.names, "s1"), depth.x, scale))
    return "".join(parts)


def _band(scale: Scale, depth: Depth) -> str:
    high, low = scale.at(BAND[1]), scale.at(BAND[0])
    return rect(depth.left, high, depth.right - depth.left, low - high, "band")


def _flags(report: Report, depth: Depth, bottom: float) -> str:
    """A shaded stretch behind the layers of each finding, named at the top."""
    parts, order = [], list(depth.names)
    slot = (depth.right - depth.left) / len(order)
    for s in report.symptoms[:1]:
        known = [order.index(p) for p in s.layers if p in order]
        if not known or s.name not in MARKS:
            continue
        for first, last in stretches(known):
            x = depth.left + first * slot
            parts.append(rect(x, TOP + 8, (last - first + 1) * slot, bottom - TOP - 8, "flag"))
        words = f"{MARKS[s.name][0]} {s.name} {span(s.layers, order)}"
        parts.append(text(depth.right, 14, words, "flagged", "end"))
    return "".join(parts)


def stretches(places: Sequence[int]) -> list[tuple[int, int]]:
    """Runs of neighbours as (first, last)."""
    found: list[tuple[int, int]] = []
    for i in sorted(set(places)):
        if found and found[-1][1] == i - 1:
            found[-1] = (found[-1][0], i)
        else:
            found.append((i, i))
    return found


def bars(report: Report, name: str) -> Figure | None:
    """Dead and saturated shares of each layer; None where all are 0 or none was measured."""
    rows = rows_of(report)
    seen = [v for r in rows for v in (r.dead, r.saturated) if v is not None and v > LEAST]
    if not seen:
        return None

    def draw(width: int) -> tuple[int, str]:
        return _bars(rows, width)

    worst = max(rows, key=lambda r: max(r.dead or 0.0, r.saturated or 0.0))
    sentence = (
        "Share of units that never fire and of inputs where the activation is flat. Most at "
        f"{worst.path}: {100 * (worst.dead or 0):.0f} % dead, "
        f"{100 * (worst.saturated or 0):.0f} % saturated; beyond 90 % is a finding where the net "
        "does not learn."
    )
    cells = tuple((r.path, number(r.dead), number(r.saturated)) for r in rows)
    table = Table(("layer", "dead (share)", "saturated (share)"), cells, (False, True, True))
    return figure(name, "Dead and saturated units", sentence, draw, table)


LEAST = 0.005  # share below which a bar is not worth a figure
LIMIT = 0.9  # share of a layer that is a finding where the net does not learn


def _bars(rows: Sequence[LayerRow], width: int) -> tuple[int, str]:
    depth, top, high = depth_of(rows, width), 30.0, 120.0
    scale = Scale(0.0, 1.0, top + high, top)
    slot = (depth.right - depth.left) / len(rows)
    thick = min(slot * 0.36, 22.0)
    parts = [legend(depth.left, 16, (("key-dead", "✕ dead"), ("key-saturated", "═ saturated")))]
    for share, label in ((0.0, "0 %"), (0.5, "50 %"), (1.0, "100 %")):
        y = scale.at(share)
        parts += [line(depth.left, y, depth.right, y, "grid")]
        parts += [text(depth.left - 6, y + 4, label, "tick", "end")]
    for row, x in zip(rows, depth.x, strict=True):
        for value, at, style in ((row.dead, x - thick, "dead"), (row.saturated, x, "saturated")):
            if value is not None and math.isfinite(value):
                y = scale.at(value)
                parts.append(rect(at, y, thick, top + high - y, style))
    parts.append(line(depth.left, scale.at(LIMIT), depth.right, scale.at(LIMIT), "limit"))
    parts.append(depth.labels(top + high + 18))
    return int(top + high + 28), "".join(parts)
