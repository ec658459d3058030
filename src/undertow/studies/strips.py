"""Numbers over depth as strips of blocks on a logarithmic axis, for the terminal."""

import math
from collections.abc import Sequence

from undertow.core.record import Cell

HEIGHT = 3  # rows of a strip
LEVELS = "▁▂▃▄▅▆▇█"
ASCII = ".:-=+*#@"
NARROWEST = 1.0  # decades of a whole strip: less is flat to the eye too
LABEL = 10  # columns left of the axis


def strip(name: str, values: Sequence[Cell], *, ascii_only: bool = False) -> list[str]:
    """Lines of a strip, the largest value's row first; what is missing, 0 or not finite is empty.

    Every row is a third of the decades between the smallest and the largest value, which label
    the last and the first row; the middle one has the value half-way.
    """
    logs = [_log(v) for v in values]
    known = [v for v in logs if v is not None]
    if not known:
        return [f"{name:>{LABEL}}  not measured, or not finite"]
    low, high = min(known), max(known)
    step = max(high - low, NARROWEST) / HEIGHT
    marks = ASCII if ascii_only else LEVELS
    axis = "|" if ascii_only else "┤"
    lines = []
    for row in reversed(range(HEIGHT)):
        base = low + row * step
        cells = "".join(_cell(v, base, step, marks, row == 0) for v in logs)
        label = name if row == HEIGHT - 1 else ""
        mark = low + row * step * HEIGHT / (HEIGHT - 1)
        lines.append(f"{label:>{LABEL}}  {10**mark:8.0e} {axis}{cells}")
    return lines


def _log(value: Cell) -> float | None:
    if value is None or not math.isfinite(value) or value <= 0:
        return None
    return math.log10(value)


def _cell(value: float | None, base: float, step: float, marks: str, lowest: bool) -> str:
    if value is None:
        return " "
    share = (value - base) / step
    if share <= 0:
        return marks[0] if lowest else " "
    return marks[min(len(marks) - 1, int(share * len(marks)))]


WIDE, HIGH = 41, 11  # columns and rows of a text graph


def graph(xs: Sequence[float], ys: Sequence[float], *, ascii_only: bool = False) -> list[str]:
    """A curve as dots in a frame of 41 columns, its ends on the axes.

    Args:
        xs: WIDE values, rising.
        ys: one value each.
        ascii_only: dots as `*`.
    """
    low, high = min(ys), max(ys)
    span = (high - low) or 1.0
    dot = "*" if ascii_only else "●"
    rows = [[" "] * len(xs) for _ in range(HIGH)]
    for column, y in enumerate(ys):
        rows[HIGH - 1 - round((y - low) / span * (HIGH - 1))][column] = dot
    lines = []
    for at, row in enumerate(rows):
        label = f"{high:6.2f}" if at == 0 else f"{low:6.2f}" if at == HIGH - 1 else " " * 6
        lines.append(f"{label} |{''.join(row)}".rstrip())
    lines.append(f"{'':6}  {xs[0]:<{len(xs) // 2}g}{xs[-1]:>{len(xs) - len(xs) // 2}g}")
    return lines
