"""The profile: four aligned logarithmic strips over depth, with an earlier net behind it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from undertow.core.record import Cell
from undertow.report.findings import MARKS, slope, theory
from undertow.report.numbers import number, span
from undertow.report.report import LayerRow, Report
from undertow.report.stretches import stretch_words
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
    percents,
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
STRIP, GAP, TOP, BOTTOM = 84, 38, 34, 34  # heights in user units
ROOM = (26.0, 64.0)  # widths one layer's name is given, at least and at most


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
        need = min(max(CHAR * max(map(len, self.names)) + 8, ROOM[0]), ROOM[1])
        fit = max(2, int((self.right - self.left) / need))
        every = math.ceil(len(self.names) / fit)
        shown = [i for i in range(0, len(self.names), every) if i + every <= len(self.names)]
        shown = sorted({*shown, len(self.names) - 1})
        room = int(need / CHAR)
        return "".join(
            text(self.x[i], y, short(self.names[i], room), "tick", "middle") for i in shown
        )


def short(name: str, room: int) -> str:
    """The end of a long name, from a dot on where one fits: there is where paths differ."""
    if len(name) <= room:
        return name
    rest = name
    while "." in rest and len(rest) >= room:
        rest = rest.partition(".")[2]
    return f"…{rest[-room + 1 :]}"


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
        words += (
            f"At the first hidden layer the gradient is {number(10**-lost.total)} of that at the "
            f"last, {abs(lost.total):.1f} decades {way}. "
        )
    if any(r.update_ratio is not None for r in rows):
        words += "The band marks update/weight of 1e-4 to 1e-2. "
    wide = theory(report.record)
    if wide is not None:
        words += f"Dotted: theory for wide layers, ×{number(wide)} a layer. "
    else:
        words += "".join(f"{x[0].upper()}{x[1:]}. " for x in stretch_words(report.record))
    return words + ("Dashed: the net before." if compared else "")


def _drawn(
    report: Report, rows: Sequence[LayerRow], behind: Sequence[LayerRow], width: int
) -> tuple[int, str]:
    depth, wide = depth_of(rows, width), _theory(report, rows)
    shown = [(s, h) for s, h in STRIPS if any(getattr(r, s) is not None for r in rows)]
    height = TOP + len(shown) * (STRIP + GAP) + BOTTOM - GAP + 12
    parts = [_flags(report, depth, height - BOTTOM)]
    for i, (stat, heading) in enumerate(shown):
        top = TOP + 12 + i * (STRIP + GAP)
        own = tuple(getattr(r, stat) for r in rows)
        strip = Strip(heading, own, tuple(getattr(r, stat) for r in behind), _guides(stat, wide))
        parts.append(_strip(strip, depth, top))
    entries = [("s1", "this net"), ("s2 dash", "before")] if behind else []
    entries += [("limit", "theory")] if wide else []
    parts += [legend(depth.left, 14, entries), depth.labels(height - BOTTOM + 20)]
    return height, "".join(parts)


@dataclass(frozen=True, slots=True)
class Strip:
    """One statistic over depth: now, before, and its guides (`band` or places on a line)."""

    heading: str
    now: tuple[Cell, ...]
    before: tuple[Cell, ...]
    guides: tuple[tuple[int, float], ...]  # (place of a layer, -1 for the whole width; value)


def _guides(stat: str, wide: tuple[tuple[int, float], ...]) -> tuple[tuple[int, float], ...]:
    if stat == "update_ratio":
        return tuple((-1, v) for v in BAND)
    return wide if stat == "grad_l2" else ()


def _theory(report: Report, rows: Sequence[LayerRow]) -> tuple[tuple[int, float], ...]:
    """First and last hidden layer with the gradient of the theory's slope through the last."""
    factor = theory(report.record)
    hidden = {y.path for y in report.record.layers if y.role == "hidden"}
    places = [i for i, r in enumerate(rows) if r.path in hidden]
    last = rows[places[-1]].grad_l2 if places else None
    if not factor or last is None or not math.isfinite(last) or last <= 0:
        return ()
    first = last * factor ** (places[-1] - places[0])
    return ((places[0], first), (places[-1], last)) if first > 0 else ()


def _strip(strip: Strip, depth: Depth, top: float) -> str:
    values = (*strip.now, *strip.before, *(v for _, v in strip.guides))
    scale = log_scale(values, top + STRIP, top)
    parts = [text(depth.left, top - 7, strip.heading, "strip")]
    parts += [y_axis(scale, depth.left, depth.right), _guide(strip, depth, scale)]
    if strip.before:
        parts.append(plotted(Series(strip.before, depth.names, "s2 dash"), depth.x, scale))
    parts.append(plotted(Series(strip.now, depth.names, "s1"), depth.x, scale))
    return "".join(parts)


def _guide(strip: Strip, depth: Depth, scale: Scale) -> str:
    if not strip.guides:
        return ""
    (i, first), (j, last) = strip.guides
    if i < 0:
        low, high = scale.at(first), scale.at(last)
        return rect(depth.left, high, depth.right - depth.left, low - high, "band")
    return line(depth.x[i], scale.at(first), depth.x[j], scale.at(last), "limit")


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
    parts.append(percents(scale, depth.left, depth.right))
    for row, x in zip(rows, depth.x, strict=True):
        for value, at, style in ((row.dead, x - thick, "dead"), (row.saturated, x, "saturated")):
            if value is not None and math.isfinite(value):
                y = scale.at(value)
                parts.append(rect(at, y, thick, top + high - y, style))
    parts.append(line(depth.left, scale.at(LIMIT), depth.right, scale.at(LIMIT), "limit"))
    parts.append(depth.labels(top + high + 18))
    return int(top + high + 28), "".join(parts)
