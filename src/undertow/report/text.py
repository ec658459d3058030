"""A report and a verdict for the terminal: plain text, colour never alone, ASCII where needed."""

from collections.abc import Iterator, Sequence

from undertow.core.finding import Symptom
from undertow.core.verdict import Verdict
from undertow.report import findings
from undertow.report.commands import command
from undertow.report.pen import LABEL, Pen, pen_for
from undertow.report.report import LayerRow, Report
from undertow.report.stretches import stretch_words
from undertow.report.tables import Table, cell, experiment_table, proof_table, reading_of

FOLD, ENDS = 16, 3  # rows shown without folding, and kept at each end where folded
PATH = 28  # columns of a layer's name before it is cut in the middle
COLUMNS = (  # of the layer table: statistic, its heading
    ("act_rms", "forward rms"),
    ("grad_l2", "|dL/dh|"),
    ("update_ratio", "upd/weight"),
    ("dead", "dead"),
    ("saturated", "saturated"),
)
WON = frozenset({"repaired", "improved"})


def report_text(
    report: Report, width: int = 100, color: bool = False, encoding: str = "utf-8"
) -> str:
    """The report for a terminal: head, layers, findings and why, what to try, what was proven.

    Args:
        report: what to show.
        width: columns; tables of numbers are never cut, a command never broken.
        color: whether ANSI colours are added; every sign is there without them.
        encoding: of the terminal; where it lacks a sign, all signs are ASCII.
    """
    pen = pen_for(width, color, encoding)
    lines = [findings.subject(report)]
    lines += ["", *layer_lines(report, pen)] if report.record.layers else []
    if findings.theory(report.record) is None:  # else it stands beside the slope of the whole
        lines += [x for words in stretch_words(report.record) for x in pen.wrap("  ", words)]
    lines += ["", *verdict_lines(report, pen)]
    if experiments := findings.ran(report.record.experiments):
        title = "What changing exactly one factor on a copy does:"
        lines += ["", title, *pen.columns(experiment_table(experiments))]
    if report.verdict is not None:
        lines += ["", *proof_lines(report.verdict, report.tried, pen)]
    if notes := findings.notes(report):
        lines += ["", "Notes", *(x for note in notes for x in pen.wrap("  · ", note))]
    return pen.finish(lines)


def verdict_text(
    verdict: Verdict,
    tried: Sequence[Verdict] = (),
    width: int = 100,
    color: bool = False,
    encoding: str = "utf-8",
) -> str:
    """What the paired trials showed, as a table with its reading below.

    `tried` are the verdicts of remedies tried before.
    """
    pen = pen_for(width, color, encoding)
    return pen.finish(proof_lines(verdict, tried, pen))


def layer_lines(report: Report, pen: Pen) -> list[str]:
    """The layer table, long nets folded, with the slope of the gradient."""
    found, rows = findings.marks(report), report.main_layers
    body = tuple(_layer_cells(row, found) for row in rows)
    head = ("layer", *(f"{title}  " for _, title in COLUMNS))
    head_line, *lines = pen.columns(Table(head, body, (False,) + (True,) * len(COLUMNS)))
    slope, keep = findings.slope_words(report.record), kept(rows, found)
    if len(keep) == len(rows):
        return [head_line, *lines, *([f"  {slope}"] if slope else [])]
    return [head_line, *_folded(lines, keep, slope)]


def _folded(lines: Sequence[str], keep: Sequence[int], slope: str) -> Iterator[str]:
    last = -1
    for i in keep:
        if i > last + 1:
            yield f"  … {i - last - 1} more" + (f" · {slope}" if slope else "")
            slope = ""
        yield lines[i]
        last = i


def kept(rows: Sequence[LayerRow], found: dict[tuple[str, str], str]) -> list[int]:
    """Indices of the rows to show: all of a short net; else both ends and where flags change."""
    if len(rows) <= FOLD:
        return list(range(len(rows)))
    signs = [tuple(findings.mark(r, c, found) for c, _ in COLUMNS) for r in rows]
    changes = {
        i
        for i, sign in enumerate(signs)
        if any(sign) and not signs[i - 1 : i] == signs[i + 1 : i + 2] == [sign]
    }
    return sorted(changes | {*range(ENDS), *range(len(rows) - ENDS, len(rows))})


def _layer_cells(row: LayerRow, found: dict[tuple[str, str], str]) -> tuple[str, ...]:
    signs = (findings.mark(row, column, found) or " " for column, _ in COLUMNS)
    values = (cell(column, getattr(row, column)) for column, _ in COLUMNS)
    return (cut(row.path, PATH), *(f"{v} {sign}" for v, sign in zip(values, signs, strict=True)))


def cut(text: str, width: int) -> str:
    """The text, its middle left out where it is longer than `width`."""
    if len(text) <= width:
        return text
    tail = (width - 1) // 2
    return f"{text[: width - 1 - tail]}…{text[-tail:]}"


def verdict_lines(report: Report, pen: Pen) -> list[str]:
    """Healthy, too early, or the findings with why and what to try."""
    found = [line for s in report.symptoms for line in _symptom(s, report, pen)]
    if report.diagnosis.watching:
        word = "undecided" if report.record.cut else "watching"
        return [f"… {word}   {findings.too_early(report)}", *found]
    if report.healthy:
        return [f"✔ healthy   {findings.measured_layers(report)}", *_scope(report, pen)]
    found = found or [f"✖ {report.mechanism}   no single layer stands out"]
    return [*found, *_why(report, pen), *_try(report, pen), *_scope(report, pen, short=True)]


def _symptom(s: Symptom, report: Report, pen: Pen) -> list[str]:
    return pen.wrap(f"✖ {s.id} {s.name}   ", findings.sentence(s, report))


def _why(report: Report, pen: Pen) -> list[str]:
    also = f"also {', '.join(report.diagnosis.others)}" if report.diagnosis.others else ""
    words = (findings.mechanism_words(report), also, findings.loss_words(report.record))
    lines = pen.labelled("mechanism", " · ".join(filter(None, words)))
    for i, cause in enumerate(report.causes):
        text = f"{cause.name} ({cause.standing}): {cause.because}"
        lines += pen.labelled("" if i else "cause", text)
    for i, e in enumerate(findings.excluded(report.causes)):
        text = f"{findings.named(e)}: {findings.numbers(e)}"
        lines += pen.labelled("" if i else "excluded", text)
    if pair := findings.needs_both(report.record.experiments):
        lines += pen.labelled("needs both", f"{findings.named(pair)}: {findings.numbers(pair)}")
    return lines


def _try(report: Report, pen: Pen) -> list[str]:
    lines: list[str] = []
    wide = max((len(r.name) for r in report.remedies), default=0)
    record = report.record
    for i, remedy in enumerate(report.remedies):
        seen = findings.counterfactual(remedy, record.experiments)
        rate = findings.rate_words(remedy, report.mechanism)
        lead = f"  {'' if i else 'try':<{LABEL - 2}}{i + 1:<3}{remedy.name:<{wide}}  "
        lines += pen.wrap(lead, f"on this batch {findings.numbers(seen)}" if seen else rate)
    if any(findings.counterfactual(r, record.experiments) for r in report.remedies):
        steps = f", {record.probe_steps} steps each" if record.probe_steps else ""
        note = f"(counterfactual{steps}; what it is worth after training is for repair to show)"
        lines += pen.labelled("", note)
    if report.verdict is None and report.remedies:
        lines.append(f"  {'next':<{LABEL - 2}}{command('repair', record)}")
    return lines


def _scope(report: Report, pen: Pen, short: bool = False) -> list[str]:
    seen, not_seen = findings.tested(report), findings.untested(report)
    lines = [] if short or not seen else pen.labelled("tested", ", ".join(seen))
    return lines + (pen.labelled("not tested", "; ".join(not_seen)) if not_seen else [])


def proof_lines(verdict: Verdict, tried: Sequence[Verdict], pen: Pen) -> list[str]:
    """The table of a verdict and, below it, how to read it."""
    sign = "✔" if verdict.word in WON else "✖"
    lines = [f"{sign} {verdict.word}   {verdict.remedy}"]
    lines += pen.wrap("  ", verdict.why) if verdict.why else []
    lines += ["", *pen.columns(proof_table(verdict, tried)), ""]
    return lines + [x for text in reading_of(verdict) for x in pen.wrap("  ", text)]
