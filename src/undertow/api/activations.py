"""`undertow activations`: every activation's facts, measurements and judged pros and cons."""

import math

from undertow.core.activation import FACTS
from undertow.report.numbers import MISSING
from undertow.report.pen import Pen, pen_for
from undertow.report.tables import Table
from undertow.studies.sheet import Judged, Sheet, sheets
from undertow.studies.strips import WIDE, graph

__all__ = ["Sheet", "activations", "activations_text"]

WIDTH = 100
REACH = 5.0  # of x, on each side of a graph
SHAPES = ("", "f", "f'", "centred on 0", "flat", "dead units")
NUMBERS = ("", "range", "E f", "Var f", "E f²", "E f'²", "slope", "gain", "a layer", "of conv")


def activations(names: tuple[str, ...] = (), *, depth: int = 20) -> tuple[Sheet, ...]:
    """The sheets of some activations, of all where none is named.

    Args:
        names: activation words.
        depth: layers of the net the gradient is sent through.

    Raises:
        UsageError: an unknown activation or a depth the card `mlp` does not take.
    """
    return sheets(names, depth=depth)


def activations_text(
    found: tuple[Sheet, ...], *, width: int = WIDTH, ascii_only: bool = False
) -> str:
    """Two tables of all; with few of them each one's graph and what the studies say of it."""
    pen = pen_for(width, False, "ascii" if ascii_only else "utf-8")
    shapes = Table(SHAPES, tuple(map(_shape, found)), (*(False,) * 5, True))
    numbers = Table(NUMBERS, tuple(map(_row, found)), (False, False, *(True,) * 8))
    lines = [*pen.columns(shapes), "", *pen.columns(numbers), "", *_legend(found, pen)]
    if len(found) < len(FACTS):
        for sheet in found:
            lines += ["", *_whole(sheet, pen, ascii_only)]
    return pen.finish(lines).rstrip("\n")


def _row(s: Sheet) -> tuple[str, ...]:
    low, high = (_end(v) for v in s.range)
    numbers = (s.mean, s.variance, s.second, s.slope_second, s.top_slope, s.gain)
    kept = MISSING if s.gradient_factor is None else f"{s.gradient_factor:.3f}"
    cost = f"{100 * s.of_conv:.0f} %"
    return (s.name, f"({low}, {high})", *map(_digits, numbers), kept, cost)


def _shape(s: Sheet) -> tuple[str, ...]:
    flat = _flat(s)
    dead = MISSING if s.dead_at_start is None else f"{100 * s.dead_at_start:.1f} %"
    return (s.name, s.formula, s.slope_formula, "yes" if s.zero_centred else "no", flat, dead)


FAR = -30.0  # an x by which every slope has settled
FLAT_SHARE = 0.05  # of the largest slope


def _flat(s: Sheet) -> str:
    if s.saturates is not None:
        return f"|x| > {s.saturates:g}"
    left = FACTS[s.name].slope(FAR) < FLAT_SHARE * s.top_slope
    return "left side" if left else "never"


FLAT = 0.1  # decades that are no loss to speak of
ROUNDING = 1e-9  # a moment below it is 0 but for rounding


def _digits(value: float) -> str:
    return "0" if abs(value) < ROUNDING else f"{value:.3g}"


def _end(value: float) -> str:
    return {float("inf"): "inf", float("-inf"): "-inf"}.get(value, f"{value:.3g}")


def _legend(found: tuple[Sheet, ...], pen: Pen) -> list[str]:
    depth = found[0].depth if found else 0
    return pen.wrap(
        "",
        "flat: a slope under 5 % of the largest; dead: not above 0 for any sample, at the start of"
        " the measured net; σ: the sigmoid; Φ, φ: the normal distribution and its density; t:"
        " tanh(ln(1 + eˣ)). E and Var over N(0, 1) inputs; slope: the largest; gain: 1/√E f², of"
        " the weights that keep"
        f" the signal; a layer: what a layer keeps of the gradient with that gain, measured over"
        f" {depth} layers of width {256}; of conv: time forward and backward over that of a 3x3"
        " convolution on the same maps, measured now, one thread (with verdict: study"
        " activation-cost).",
    )


def _whole(s: Sheet, pen: Pen, ascii_only: bool) -> list[str]:
    facts = FACTS[s.name]
    xs = [-REACH + 2 * REACH * i / (WIDE - 1) for i in range(WIDE)]
    curves = zip(
        graph(xs, [facts.f(x) for x in xs], ascii_only=ascii_only),
        graph(xs, [facts.slope(x) for x in xs], ascii_only=ascii_only),
        strict=True,
    )
    lines = [f"{s.name}: f(x) = {s.formula}, f'(x) = {s.slope_formula}", ""]
    lines += [f"{a:<{WIDE + 9}} {b}".rstrip() for a, b in curves]
    lines += [f"{'':8}{'f':<{WIDE + 10}}f'", ""]
    centred = "centred on 0" if s.zero_centred else f"not centred on 0 (mean {s.mean:.3g})"
    flat = "does not saturate on both sides"
    if s.saturates is not None:
        flat = f"saturates beyond |x| = {s.saturates:g} (slope under 5 % of the largest)"
    lines += pen.labelled("shape", f"{centred}; {flat}; {s.source}")
    if s.dead_at_start is not None:
        lines += pen.labelled("dead", f"{100 * s.dead_at_start:.1f} % of the units at the start")
    lines += pen.labelled("measured", _measured(s))
    for judged in s.judged:
        lines += pen.labelled(f"{judged.side} {judged.claim}", _sentence(judged))
    return lines


def _measured(s: Sheet) -> str:
    """What a layer keeps, over the whole depth, and what it costs."""
    kept = "the gradient is 0, infinite or of one layer only"
    if s.gradient_factor is not None:
        lost = -(s.depth - 1) * math.log10(s.gradient_factor)
        kept = f"the gradient keeps x{s.gradient_factor:.3f} a layer, {lost:.1f} decades lost"
        kept = kept if lost > FLAT else f"the gradient keeps x{s.gradient_factor:.3f} a layer"
    return f"over {s.depth} layers {kept}; {100 * s.of_conv:.0f} % of a 3x3 convolution's time"


def _sentence(j: Judged) -> str:
    more = f": {j.instead}" if j.instead else ""
    return f"“{j.says}”: {j.verdict} (study {j.study}){more}"
