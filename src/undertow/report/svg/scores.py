"""Charts of an evaluation: confidence against truth, and which class is taken for which."""

from collections.abc import Sequence
from html import escape

from undertow.core.scores import Bin, Confusion
from undertow.report.svg.draw import (
    CHAR,
    RIGHT,
    WIDE,
    Figure,
    Scale,
    element,
    figure,
    legend,
    line,
    percents,
    rect,
    text,
    x_axis,
)
from undertow.report.svg.heatmap import CIVIDIS
from undertow.report.svg.profile import short
from undertow.report.tables import Table

MOST = 60  # classes of a matrix that is drawn; the table of classes holds any number
LARGE = 20  # classes up to which counts are written into the cells
HEIGHT = 250.0
LETTERS = 5  # of a class under its column


def reliability(bins: Sequence[Bin], one_unit: bool, name: str) -> Figure | None:
    """Share true over confidence, bin by bin, and how many fall into each; None with none."""
    used = [b for b in bins if b.n]
    if not used:
        return None
    what = "samples of class 1" if one_unit else "right guesses"
    sentence = (
        f"Share of {what} over the confidence of the net, in {len(bins)} bins of equal width;"
        " on the diagonal confidence is what it says. Bars below: how many samples."
    )
    rows = tuple(
        (f"{b.low:.2f}–{b.high:.2f}", str(b.n), _percent(b.confidence), _percent(b.right / b.n))
        for b in used
    )
    head = ("confidence", "samples", "mean confidence", what)
    table = Table(head, rows, (False, True, True, True))

    def draw(width: int) -> tuple[int, str]:
        return _reliability(used, width)

    return figure(name, "Confidence against truth", sentence, draw, table)


def _reliability(used: Sequence[Bin], width: int) -> tuple[int, str]:
    left, right = 52.0, float(min(width - RIGHT, 420))
    up, along = Scale(0, 1, HEIGHT, 24.0), Scale(0, 1, left, right)
    most = max(b.n for b in used)
    parts = [percents(up, left, right), x_axis(along, 24, HEIGHT + 46, "confidence")]
    parts.append(line(left, up.at(0), right, up.at(1), "limit"))
    for b in used:
        x, wide = along.at(b.low) + 1, along.at(b.high) - along.at(b.low) - 2
        share = b.right / b.n
        tall = 40 * b.n / most
        told = element("title", f"{b.n} samples, {_percent(share)} at {_percent(b.confidence)}")
        parts.append(rect(x, HEIGHT + 44 - tall, wide, tall, "saturated"))
        spot = element("circle", told, cx=along.at(b.confidence), cy=up.at(share), r=4.0,
                       class_="dot s1")  # fmt: skip
        parts += [line(along.at(b.confidence), up.at(b.confidence), along.at(b.confidence),
                       up.at(share), "pair"), spot]  # fmt: skip
    parts.append(legend(left, 14, [("s1", "measured"), ("limit", "as confident as right")]))
    return int(HEIGHT + 84), "".join(parts)


def confusion(counts: Confusion, names: Sequence[str], name: str) -> Figure | None:
    """The matrix as shares of each true class; None with over 60 classes."""
    if not 0 < len(names) <= MOST:
        return None
    sentence = (
        "Rows are the true classes, columns what they are taken for; a cell is the share of its"
        " row, dark is none. A perfect net has the diagonal alone."
    )
    head = ("class", *names)
    rows = tuple((own, *(str(n) for n in row)) for own, row in zip(names, counts, strict=True))
    table = Table(head, rows, (False, *(True,) * len(names)))

    def draw(width: int) -> tuple[int, str]:
        return _confusion(counts, names, width)

    return figure(name, "Which class is taken for which", sentence, draw, table)


def _confusion(counts: Confusion, names: Sequence[str], width: int) -> tuple[int, str]:
    left = min(max(map(len, names)) * CHAR + 20, 0.28 * width)
    side = min((width - left - RIGHT) / len(names), 36.0)
    top, room = 8.0, int((left - 8) / CHAR)
    every = 1 + int(13 / side)
    written = len(names) <= LARGE and width == WIDE
    parts = []
    for i, row in enumerate(counts):
        y = top + side * i
        if i % every == 0:
            parts.append(text(left - 6, y + side / 2 + 4, short(names[i], room), "tick", "end"))
        for j, n in enumerate(row):
            x, share = left + side * j, n / max(1, sum(row))
            told = element("title", escape(f"{names[i]} taken for {names[j]}: {n}"))
            parts.append(element("rect", told, x=x, y=y, width=side - 1, height=side - 1,
                                 fill=_color(share)))  # fmt: skip
            if written and n:
                parts.append(_count(x + side / 2, y + side / 2 + 4, n, share))
    bottom = top + side * len(names)
    below = range(0, len(names), 1 + int(34 / side))
    parts += [
        text(left + side * (j + 0.5), bottom + 15, names[j][:LETTERS], "tick", "middle")
        for j in below
    ]
    return int(bottom + 26), "".join(parts)


def _count(x: float, y: float, n: int, share: float) -> str:
    light = share < 0.5
    return element("text", str(n), x=x, y=y, text_anchor="middle",
                   style=f"fill:{'#fff' if light else '#111'};font-size:11px")  # fmt: skip


def _color(share: float) -> str:
    return CIVIDIS[min(int(share * len(CIVIDIS)), len(CIVIDIS) - 1)]


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"
