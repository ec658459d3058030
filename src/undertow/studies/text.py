"""A result on a terminal: the question, a table with a chart, the verdict on every claim."""

import math
from collections.abc import Sequence

from undertow.report.numbers import MISSING, counted
from undertow.report.pen import Pen, pen_for
from undertow.report.tables import Table
from undertow.studies.claims import chapter_of
from undertow.studies.result import ArmResult, ClaimResult, Number, Result
from undertow.studies.study import Statistic
from undertow.studies.verdict import SEEDS, SUPPORTED, Condition

BAR = 16  # columns of a bar
EIGHTHS = " ▏▎▍▌▋▊▉█"
WHOLE = 1e15  # beyond it a float64 may have lost whole numbers
DECADES = 12.0  # that a logarithmic chart shows at most


def shown(result: Result, width: int = 100, *, ascii_only: bool = False) -> str:
    """The result as text of at most `width` columns."""
    pen = pen_for(width, False, "ascii" if ascii_only else "utf-8")
    few = not result.exact and len(result.seeds) < SEEDS
    lines = [*pen.wrap("", result.question), "", *_setting(result, pen), ""]
    lines += [*pen.columns(_table(result, ascii_only)), ""]
    meant = "; ".join(f"{s.name}: {s.words}" for s in result.statistics)
    lines += pen.labelled("statistics", meant)
    lines += pen.labelled("expected", result.says)
    for claim in result.claims:
        lines += ["", *_claim(claim, result, pen)]
    if few:
        lines += ["", *pen.wrap("", f"Fewer than {SEEDS} seeds: a demonstration, no verdict.")]
    lines += ["", *pen.labelled("repeat", result.command)]
    pages = dict.fromkeys(filter(None, (chapter_of(c.id) for c in result.claims)))
    if pages:
        words = ", ".join(f"undertow explain {page}" for page in pages)
        lines += pen.labelled("explained", words)
    return pen.finish(lines)


def _setting(result: Result, pen: Pen) -> list[str]:
    what = "exact, no seeds" if result.exact else counted(len(result.seeds), "seed")
    trained = f"{result.steps} steps" if result.steps else ""
    versions = ", ".join(f"{n} {v}" for n, v in result.versions)
    parts = (result.held, f"data {result.data}", trained, what, result.date, versions)
    return pen.labelled("held", " · ".join(p for p in parts if p))


def _table(result: Result, ascii_only: bool) -> Table:
    stats = result.statistics
    heads = tuple(s.name for s in stats)
    plain = tuple((a.arm, *(_cell(a, s) for s in stats)) for a in result.arms)
    if result.exact:  # facts of unlike units: nothing to chart
        return Table(("", *heads), plain, (False, *(True,) * len(stats)))
    bars = _bars([a.number(stats[0].name) for a in result.arms], stats[0], ascii_only)
    rows = tuple((*row, bar) for row, bar in zip(plain, bars, strict=True))
    return Table(("", *heads, stats[0].name), rows, (False, *(True,) * len(stats), False))


def _cell(arm: ArmResult, stat: Statistic) -> str:
    found = arm.number(stat.name)
    if found is None:
        return MISSING
    if found.low == found.high:
        return exactly(found.mean)
    return f"{digits(found.mean)} [{digits(found.low)}..{digits(found.high)}]"


def exactly(value: float) -> str:
    """A whole number with its thousands, any other in three digits."""
    whole = math.isfinite(value) and float(value).is_integer() and abs(value) < WHOLE
    return f"{int(value):,}" if whole else digits(value)


def digits(value: float) -> str:
    """Three significant digits."""
    return f"{value:.3g}"


def _bars(found: Sequence[Number | None], stat: Statistic, ascii_only: bool) -> list[str]:
    values = [None if n is None else n.mean for n in found]
    scaled = [None if v is None else _place(v, stat) for v in values]
    known = [v for v in scaled if v is not None]
    low, high = min([0.0, *known] if not stat.log else known, default=0.0), max(known, default=1.0)
    low = max(low, high - DECADES) if stat.log else low
    span = (high - low) or 1.0
    shares = [None if v is None else max(0.0, (v - low) / span) for v in scaled]
    return ["" if s is None else _bar(s, ascii_only) for s in shares]


def _place(value: float, stat: Statistic) -> float:
    if not stat.log:
        return value
    return math.log10(value) if value > 0 else -math.inf


def _bar(share: float, ascii_only: bool) -> str:
    eighths = round(share * BAR * 8)
    if ascii_only:
        return "#" * round(eighths / 8)
    return "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()


def _claim(claim: ClaimResult, result: Result, pen: Pen) -> list[str]:
    lines = pen.wrap(f"{claim.id}  ", f"“{claim.says}”" if not pen.ascii else f'"{claim.says}"')
    lines += pen.labelled("verdict", f"{claim.verdict}{surprise(claim, result)}")
    for condition in claim.conditions:
        lines += pen.labelled("", sentence(condition, exact=result.exact))
    if claim.instead:
        lines += pen.labelled("and" if claim.verdict == SUPPORTED else "instead", claim.instead)
    return lines


def surveyed(results: Sequence[Result], left: Sequence[tuple[str, str]], width: int = 100) -> str:
    """A line for every verdict on a user's network, and why other studies were not asked of it."""
    pen = pen_for(width, False, "utf-8")
    on = results[0].on if results else "this network"
    lines = [f"Verdicts on {on}", ""]
    rows = tuple((r.study, c.id, c.verdict, c.says) for r in results for c in r.claims)
    for study, claim, word, says in rows:
        lines += pen.wrap(f"  {study:<18} {claim:<14} {word:<12} ", says)
    if left:
        lines += ["", "Not asked", ""]
    for study, why in left:
        lines += pen.wrap(f"  {study:<18} ", why)
    return pen.finish(lines).rstrip("\n")


def surprise(claim: ClaimResult, result: Result) -> str:
    """The verdict foreseen where it is another; of a user's network always the book's."""
    if result.on:
        return f" (the book, of its own networks: {claim.foreseen})" if claim.foreseen else ""
    return "" if claim.verdict == claim.foreseen else f" (foreseen: {claim.foreseen})"


def sentence(condition: Condition, *, exact: bool = False) -> str:
    """A condition and what came out, as one line."""
    c = condition
    b = c.b if isinstance(c.b, str) else exactly(c.b)
    lead = f"{c.stat}: {c.a} {c.relation} {b}: {c.outcome}"
    if exact:
        return f"{lead}, difference {exactly(c.mean)}"
    spread = f"[{digits(c.low)}, {digits(c.high)}]"
    return f"{lead}, difference {digits(c.mean)} {spread}, margin {digits(c.margin)}, n {c.n}"
