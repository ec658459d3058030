"""Layer × step: one picture of a whole run, down-sampled so that every extreme stays visible."""

import math
from collections.abc import Sequence

from undertow.core.record import Cell, Snapshot
from undertow.report.numbers import number
from undertow.report.report import Report
from undertow.report.svg.draw import (
    CHAR,
    NARROW,
    RIGHT,
    WIDE,
    Figure,
    element,
    figure,
    power,
    rect,
    text,
)
from undertow.report.svg.profile import short
from undertow.report.tables import Table

STAT = "grad_l2"
COLUMNS = 2000  # of a heatmap, at most
CELLS = {WIDE: 10_000, NARROW: 4_000}  # of a heatmap, at most: about 9 bytes of markup each
CIVIDIS = (  # ten samples of the palette of Nunez et al. 2018, dark is small
    *("#00224e", "#123570", "#3b496c", "#575d6d", "#707173"),
    *("#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838"),
)
ZERO, BAD = len(CIVIDIS), len(CIVIDIS) + 1  # classes after those of the palette
COLORS = (*CIVIDIS, "#cc79a7", "#d55e00")
SHOWN = 8  # steps in the table beside the figure
MARGIN = {WIDE: 170.0, NARROW: 80.0}  # room for layer names, at most
Grid = tuple[tuple[Cell, ...], ...]  # one tuple of layers for each column


def heatmap(report: Report, name: str) -> Figure | None:
    """log10 of the gradient of every layer at every sampled step; None with fewer than 3 steps."""
    record = report.record
    snaps = [s for s in record.snapshots if any(v is not None for v in s.column(STAT))]
    if len(snaps) < 3 or not record.layers:
        return None
    rows = [i for i, y in enumerate(record.layers) if y.role != "norm"]
    names = [record.layers[i].path for i in rows]

    def draw(width: int) -> tuple[int, str]:
        return _drawn(names, *down_sampled(snaps, rows, CELLS[width]), width)

    return figure(
        name,
        "Gradient of every layer over the steps",
        _sentence(snaps, rows, names),
        draw,
        _table(snaps, rows, names),
    )


def down_sampled(
    snaps: Sequence[Snapshot], rows: Sequence[int], cells: int = CELLS[WIDE]
) -> tuple[list[int], Grid]:
    """Steps and columns to draw: all, or of each stretch the lowest and the highest values.

    What is not finite counts as the highest, so it is never lost.
    """
    limit = min(COLUMNS, max(40, cells // max(len(rows), 1)))
    columns = [tuple(_at(s, i) for i in rows) for s in snaps]
    if len(columns) <= limit:
        return [s.step for s in snaps], tuple(columns)
    size = math.ceil(len(columns) / (limit // 2))
    steps: list[int] = []
    grid: list[tuple[Cell, ...]] = []
    for start in range(0, len(columns), size):
        part = columns[start : start + size]
        steps += [snaps[start].step, snaps[min(start + size, len(snaps)) - 1].step]
        grid += [_extreme(part, low=True), _extreme(part, low=False)]
    return steps, tuple(grid)


def _at(snap: Snapshot, i: int) -> Cell:
    values = snap.column(STAT)
    return values[i] if i < len(values) else None


def _extreme(part: Sequence[tuple[Cell, ...]], low: bool) -> tuple[Cell, ...]:
    chosen: list[Cell] = []
    for cells in zip(*part, strict=True):
        finite = [v for v in cells if v is not None and math.isfinite(v)]
        odd = [v for v in cells if v is not None and not math.isfinite(v)]
        best: Cell = (min(finite) if low else max(finite)) if finite else None
        chosen.append(odd[0] if odd and (not low or best is None) else best)
    return tuple(chosen)


def _bounds(grid: Grid) -> tuple[float, float]:
    """Decades from the darkest to the lightest class, at least two."""
    cells = (v for column in grid for v in column)
    logs = [math.log10(v) for v in cells if v is not None and math.isfinite(v) and v > 0] or [0.0]
    low, high = math.floor(min(logs)), math.ceil(max(logs))
    return float(low), float(max(high, low + 2))


def _kind(value: Cell, low: float, high: float) -> int | None:
    """The class of a cell; None where nothing was measured."""
    if value is None:
        return None
    if not math.isfinite(value):
        return BAD
    if value <= 0:
        return ZERO
    share = (math.log10(value) - low) / (high - low)
    return min(int(share * len(CIVIDIS)), len(CIVIDIS) - 1)


def _drawn(names: Sequence[str], steps: Sequence[int], grid: Grid, width: int) -> tuple[int, str]:
    left, top = min(max(map(len, names)) * CHAR + 12, MARGIN[width]), 8.0
    row = min(max(240.0 / len(names), 3.0), 20.0)
    high, wide = row * len(names), width - left - RIGHT
    low, top_decade = _bounds(grid)
    cells = _cells(grid, low, top_decade)
    place = f"translate({left:g} {top:g}) scale({wide / len(grid):.5f} {row:.5f})"
    parts = [
        rect(left, top, wide, high, "ground"),
        element("g", cells, transform=place, class_="cells"),
    ]
    every = math.ceil(14 / row)
    room = int((left - 8) / CHAR)
    parts += [
        text(left - 6, top + row * (i + 0.5) + 4, short(names[i], room), "tick", "end")
        for i in range(0, len(names), every)
    ]
    parts.append(_steps(steps, left, wide, top + high + 16))
    parts.append(_key(low, top_decade, left, wide, top + high + 42))
    return int(top + high + 78), "".join(parts)


def _cells(grid: Grid, low: float, high: float) -> str:
    """One path a class: runs of equal cells, a unit high and wide, drawn as strokes."""
    runs: dict[int, list[str]] = {}
    for y in range(len(grid[0])):
        kinds = [_kind(column[y], low, high) for column in grid]
        x = 0
        while x < len(kinds):
            end = x
            while end < len(kinds) and kinds[end] == kinds[x]:
                end += 1
            if (kind := kinds[x]) is not None:
                runs.setdefault(kind, []).append(f"M{x} {y}.5h{end - x}")
            x = end
    return "".join(
        element("path", d="".join(runs[kind]), stroke=COLORS[kind]) for kind in sorted(runs)
    )


def _steps(steps: Sequence[int], left: float, wide: float, y: float) -> str:
    count = 6 if wide > WIDE / 2 else 4
    shown = sorted({round(i * (len(steps) - 1) / (count - 1)) for i in range(count)})
    slot = wide / len(steps)
    first, *middle, last = shown
    ends = text(left, y, f"step {steps[first]}", "tick") + text(
        left + wide, y, str(steps[last]), "tick", "end"
    )
    return ends + "".join(
        text(left + slot * (i + 0.5), y, str(steps[i]), "tick", "middle") for i in middle
    )


def _key(low: float, high: float, left: float, wide: float, y: float) -> str:
    swatch = min(wide / (len(COLORS) + 4), 26.0)
    parts = [
        element("rect", x=left + i * swatch, y=y - 10, width=swatch, height=12.0, fill=color)
        for i, color in enumerate(CIVIDIS)
    ]
    end = left + swatch * len(CIVIDIS)
    parts += [text(left, y + 17, power(int(low)), "tick")]
    parts += [text(end, y + 17, power(int(high)), "tick", "end")]
    for i, (words, color) in enumerate((("0", COLORS[ZERO]), ("∅", COLORS[BAD]))):
        x = end + 14 + i * (swatch + 10)
        parts.append(element("rect", x=x, y=y - 10, width=swatch, height=12.0, fill=color))
        parts.append(text(x + swatch / 2, y + 17, words, "tick", "middle"))
    return "".join(parts)


def _sentence(snaps: Sequence[Snapshot], rows: Sequence[int], names: Sequence[str]) -> str:
    first = next((s for s in snaps if any(_odd(_at(s, i)) for i in rows)), None)
    words = (
        f"log10 of |dL/dh| for {len(names)} layers (input on top) at {len(snaps)} sampled steps, "
        f"{snaps[0].step} to {snaps[-1].step}; dark is small. "
    )
    if first is None:
        return words + "All values are finite."
    path = next(name for name, i in zip(names, rows, strict=True) if _odd(_at(first, i)))
    return words + f"The first value that is not finite is at step {first.step}, {path}."


def _odd(value: Cell) -> bool:
    return value is not None and not math.isfinite(value)


def _table(snaps: Sequence[Snapshot], rows: Sequence[int], names: Sequence[str]) -> Table:
    count = min(SHOWN, len(snaps))
    chosen = sorted({round(i * (len(snaps) - 1) / (count - 1)) for i in range(count)})
    cells = tuple(
        (name, *(number(_at(snaps[c], i)) for c in chosen))
        for name, i in zip(names, rows, strict=True)
    )
    head = ("layer", *(f"step {snaps[c].step}" for c in chosen))
    return Table(head, cells, (False, *(True,) * len(chosen)))
