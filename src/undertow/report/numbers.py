"""Numbers as people read them: two or three significant digits, shares, ratios, ranges."""

import math
from collections.abc import Sequence

MISSING = "–"  # not measured
SMALL, LARGE = 0.01, 10_000.0  # outside: scientific notation


def number(value: float | None) -> str:
    """Two or three significant digits; "–" where it was not measured, "nan" and "inf" in words."""
    if value is None:
        return MISSING
    if not math.isfinite(value):
        return str(float(value))
    size = abs(value)
    if size == 0:
        return "0"
    if size < SMALL or size >= LARGE:
        return f"{value:.1e}"
    places = 3 - len(str(int(size))) if size >= 1 else 2 if size >= 0.1 else 3
    return f"{value:.{max(places, 0)}f}"


def share(value: float | None) -> str:
    """A share of 1 in per cent; what is neither nothing nor all never reads 0 or 100 %."""
    if value is None or not math.isfinite(value):
        return number(value)
    if 0 < value < 0.005:
        return "<1 %"
    if 0.995 <= value < 1:
        return ">99 %"
    return f"{100 * value:.0f} %"


def percent(value: float | None) -> str:
    """An accuracy (share of 1) in per cent with one decimal."""
    return number(value) if value is None or not math.isfinite(value) else f"{100 * value:.1f} %"


def ratio(value: float | None) -> str:
    """A ratio to 1 with two decimals and no leading zero (".98"), as a loss over guessing."""
    if value is None or not math.isfinite(value) or not SMALL <= value < 10:
        return number(value)
    return f"{value:.2f}".lstrip("0")


def signed(value: float) -> str:
    """A difference with its sign, two decimals where that shows it."""
    if not math.isfinite(value):
        return number(value)
    return f"{value:+.2f}" if abs(value) >= SMALL or value == 0 else f"{value:+.1e}"


def span(paths: Sequence[str], order: Sequence[str]) -> str:
    """A group of layers in few words: "conv1–conv3" where neighbours in `order`, else a list.

    Args:
        paths: the layers to name.
        order: all layers, input first.
    """
    place = {path: i for i, path in enumerate(order)}
    known = sorted((p for p in paths if p in place), key=place.__getitem__) or list(paths)
    few = 2
    if len(known) > few and place.get(known[-1], 0) - place.get(known[0], 0) == len(known) - 1:
        return f"{known[0]}–{known[-1]}"
    if len(known) <= few + 1:
        return ", ".join(known)
    return f"{', '.join(known[:few])} and {len(known) - few} more"


def counted(count: int, word: str) -> str:
    """`1 finding`, `2 findings`."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
