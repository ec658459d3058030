"""Parts of a chart: elements, scales, axes, lines that show gaps, zeros and what is not finite."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

from undertow.report.numbers import number
from undertow.report.tables import Table

WIDE, NARROW = 760, 340  # user units; at their own width the 12-unit text is 12 px
NAMESPACE = "http://www.w3.org/2000/svg"
LEFT = {WIDE: 58, NARROW: 46}  # room for tick labels
RIGHT = 12
CHAR = 6.2  # mean width of a character of the 12-unit text
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
TICKS = 5  # of one axis, at most
DOTS = 120  # points of a line that still get a marker each


@dataclass(frozen=True, slots=True)
class Figure:
    """One chart: a word for its id, what it shows in a sentence, two widths of SVG, its numbers."""

    name: str
    title: str
    sentence: str
    wide: str
    narrow: str
    table: Table


def figure(
    name: str, title: str, sentence: str, draw: Callable[[int], tuple[int, str]], table: Table
) -> Figure:
    """The figure of `draw`, a function of the width that returns the height and what is inside."""
    wide, narrow = (framed(f"{name}-{w}", title, sentence, w, *draw(w)) for w in (WIDE, NARROW))
    return Figure(name, title, sentence, wide, narrow, table)


def framed(key: str, title: str, sentence: str, width: int, height: int, inside: str) -> str:
    """A whole `<svg>` with its title and description; `key` is unique on the page."""
    named = element("title", escape(title), id=f"{key}-t")
    told = element("desc", escape(sentence), id=f"{key}-d")
    return element(
        "svg",
        named + told + inside,
        xmlns=NAMESPACE,
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_labelledby=f"{key}-t {key}-d",
    )


def element(name: str, inside: str = "", /, **attributes: object) -> str:
    """One element; `inside` is markup, attribute values are escaped (`class_`, `text_anchor`)."""
    words = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_value(value))}"'
        for key, value in attributes.items()
    )
    return f"<{name}{words}>{inside}</{name}>" if inside else f"<{name}{words}/>"


def _value(value: object) -> str:
    return unit(value) if isinstance(value, float) else str(value)


def unit(value: float) -> str:
    """A length with one decimal at most."""
    return f"{round(value, 1) + 0.0:.1f}".removesuffix(".0")


def text(x: float, y: float, words: str, style: str = "", anchor: str = "start") -> str:
    """Words at a place; `anchor` is start, middle or end."""
    more = {} if anchor == "start" else {"text_anchor": anchor}
    more |= {"class_": style} if style else {}
    return element("text", escape(words), x=x, y=y, **more)


def line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=style)


def rect(x: float, y: float, width: float, height: float, style: str) -> str:
    """A rectangle; no negative sides."""
    return element("rect", x=x, y=y, width=max(width, 0.0), height=max(height, 0.0), class_=style)


@dataclass(frozen=True, slots=True)
class Scale:
    """Numbers to user units; `log`: the bounds are decades, `whole`: ticks at integers only."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    whole: bool = False

    def at(self, value: float) -> float:
        """The place of a number, held inside the axis."""
        if self.log:
            value = math.log10(value) if value > 0 else self.low
        share = (value - self.low) / (self.high - self.low)
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)

    def ticks(self) -> tuple[tuple[float, str], ...]:
        """Round numbers on the axis and their labels."""
        return self._decades() if self.log else self._round()

    def _decades(self) -> tuple[tuple[float, str], ...]:
        first, last = math.ceil(self.low), math.floor(self.high)
        step = max(1, math.ceil((last - first) / (TICKS - 1)))
        return tuple((10.0**d, power(d)) for d in range(first, last + 1, step))

    def _round(self) -> tuple[tuple[float, str], ...]:
        rough = (self.high - self.low) / (TICKS - 1)
        base = 10.0 ** math.floor(math.log10(rough))
        step = next(base * k for k in (1, 2, 5, 10) if base * k >= rough * 0.999)
        step = max(step, 1.0) if self.whole else step
        first, spare = math.ceil(self.low / step - 1e-9), 1e-6 * (self.high - self.low)
        values = [step * i for i in range(first, first + 2 * TICKS)]
        values = [v for v in values if v <= self.high + spare]
        return tuple((v, f"{v:.4g}") for v in values)


def power(decade: int) -> str:
    """10⁻³ for -3; 0.1, 1 and 10 as they are."""
    plain = {-1: "0.1", 0: "1", 1: "10"}
    return plain.get(decade) or f"10{str(decade).translate(SUPERSCRIPT)}"


def log_scale(
    values: Iterable[float | None], start: float, end: float, least: float = 2.0
) -> Scale:
    """A logarithmic scale over all positive finite values, at least `least` decades high."""
    logs = [math.log10(v) for v in values if v is not None and math.isfinite(v) and v > 0] or [0.0]
    low, high = min(logs), max(logs)
    spare = max(least - (high - low), 0.2 * (high - low)) / 2
    return Scale(low - spare, high + spare, start, end, log=True)


def linear_scale(values: Iterable[float | None], start: float, end: float) -> Scale:
    """A linear scale from 0 (or below) to a little above the largest finite value."""
    finite = [v for v in values if v is not None and math.isfinite(v)] or [1.0]
    low, high = min(0.0, *finite), max(0.0, *finite)
    return Scale(low, high + 0.05 * (high - low or 1.0), start, end)


def y_axis(scale: Scale, left: float, right: float) -> str:
    """Grid lines and labels of a vertical scale."""
    parts = []
    for value, label in scale.ticks():
        y = scale.at(value)
        parts += [line(left, y, right, y, "grid"), text(left - 6, y + 4, label, "tick", "end")]
    return "".join(parts)


def percents(scale: Scale, left: float, right: float) -> str:
    """Grid lines and labels of a vertical scale of shares: 0, 50 and 100 %."""
    parts = []
    for share in (0.0, 0.5, 1.0):
        y = scale.at(share)
        parts += [line(left, y, right, y, "grid")]
        parts += [text(left - 6, y + 4, f"{100 * share:.0f} %", "tick", "end")]
    return "".join(parts)


def x_axis(scale: Scale, top: float, bottom: float, name: str = "") -> str:
    """Grid lines and labels of a horizontal scale, with its name in the right corner."""
    parts = []
    for value, label in scale.ticks():
        x = scale.at(value)
        parts += [line(x, top, x, bottom, "grid"), text(x, bottom + 16, label, "tick", "middle")]
    end = max(scale.start, scale.end)
    return "".join([*parts, text(end, bottom + 31, name, "tick", "end") if name else ""])


Point = tuple[float, float]


def path(points: Sequence[Point], style: str) -> str:
    """A line through the points."""
    steps = " ".join(f"{unit(x)},{unit(y)}" for x, y in points)
    return element("polyline", points=steps, class_=style) if len(points) > 1 else ""


@dataclass(frozen=True, slots=True)
class Series:
    """One line: its values with a label each, its style; None is a gap."""

    values: tuple[float | None, ...]
    labels: tuple[str, ...]
    style: str


def plotted(series: Series, x: Sequence[float], scale: Scale) -> str:
    """A line with a marker each; a zero stands on the floor, what is not finite at the ceiling."""
    parts: list[str] = []
    run: list[Point] = []
    for value, label, at in zip(series.values, series.labels, x, strict=True):
        good = value is not None and math.isfinite(value) and (value > 0 or not scale.log)
        if good:
            run.append((at, scale.at(value or 0.0)))
        else:
            parts, run = [*parts, path(run, series.style)], []
        if value is not None and (not good or len(x) <= DOTS):
            parts.append(_marker(at, scale, value, label, series.style))
    return "".join([*parts, path(run, series.style)])


def _marker(x: float, scale: Scale, value: float, label: str, style: str) -> str:
    told = element("title", escape(f"{label}: {number(value)}"))
    if not math.isfinite(value):
        return _sign(x, scale.end + 10, "∅", told)
    if scale.log and value <= 0:
        return _sign(x, scale.start - 2, "▽", told)
    return element("circle", told, cx=x, cy=scale.at(value), r=2.6, class_=f"dot {style}")


def _sign(x: float, y: float, sign: str, told: str) -> str:
    return element("text", told + sign, x=x, y=y, class_="sign", text_anchor="middle")


def legend(x: float, y: float, entries: Sequence[tuple[str, str]]) -> str:
    """Entries (style, words) in one row; the style is that of the line it names."""
    parts = []
    for style, words in entries:
        parts += [line(x, y - 4, x + 20, y - 4, style), text(x + 26, y, words, "key")]
        x += 26 + CHAR * len(words) + 18
    return "".join(parts)


def thinned(points: Sequence[Point], limit: int) -> list[Point]:
    """About `limit` points: of every stretch the lowest, the highest, the first not finite."""
    if len(points) <= limit:
        return list(points)
    size = math.ceil(len(points) / max(limit // 3, 1))
    kept: list[Point] = []
    for start in range(0, len(points), size):
        part = points[start : start + size]
        odd = [p for p in part if not math.isfinite(p[1])]
        finite = [p for p in part if math.isfinite(p[1])] or odd
        ends = (min(finite, key=lambda p: p[1]), max(finite, key=lambda p: p[1]))
        kept += sorted({*ends, *odd[:1]})
    return kept
