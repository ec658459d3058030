"""Curves of a training and of the probe: loss, accuracy, one batch, the line probe."""

import math
from collections.abc import Sequence
from statistics import median

from undertow.core.derive import SMOOTH
from undertow.core.learned import ONE_BATCH
from undertow.core.record import Record
from undertow.report.numbers import counted, number, percent, ratio
from undertow.report.report import Report
from undertow.report.svg.draw import (
    LEFT,
    RIGHT,
    Figure,
    Point,
    Scale,
    Series,
    element,
    figure,
    legend,
    line,
    linear_scale,
    log_scale,
    path,
    percents,
    plotted,
    text,
    thinned,
    x_axis,
    y_axis,
)
from undertow.report.tables import Table

ROWS = 40  # of the table beside a curve
STEEP = 50.0  # highest over lowest loss above which the axis is logarithmic
MIXED = "main label of mixed inputs"
PANEL, SMALL = 170.0, 90.0  # heights of the loss and of the panels under it


def training(report: Report, name: str) -> Figure | None:
    """Loss with the constant answer's line and events, accuracy under it; None without a loss."""
    losses = _points(report.record, "loss")
    if len(losses) < 2:
        return None

    def draw(width: int) -> tuple[int, str]:
        return _training(report, losses, width)

    return figure(
        name, "Loss and accuracy", _training_sentence(report, losses), draw, _training_table(report)
    )


def _points(record: Record, key: str) -> list[Point]:
    values = ((m.step, getattr(m, key)) for m in record.metrics)
    return [(float(step), v) for step, v in values if v is not None]


def smoothed(points: Sequence[Point]) -> list[Point]:
    """Each loss as the median of the last 10: what progress is judged on."""
    values = [v for _, v in points]
    return [(x, median(values[max(0, i - SMOOTH + 1) : i + 1])) for i, (x, _) in enumerate(points)]


def _training(report: Report, losses: Sequence[Point], width: int) -> tuple[int, str]:
    left, right, top = float(LEFT[width]), float(width - RIGHT), 30.0
    last = max(losses[-1][0], float(report.record.last_step), 1.0)
    steps = Scale(0.0, last, left, right, whole=True)
    accuracy = _accuracy(report)
    bottom = top + PANEL + (SMALL + 34 if accuracy else 0)
    parts = [_loss_panel(report.record, losses, steps, top)]
    if accuracy:
        parts.append(_accuracy_panel(report, steps, top + PANEL + 34))
    parts += [_events(report, steps, top, bottom), x_axis(steps, bottom, bottom, "step")]
    return int(bottom + 40), "".join(parts)


def _loss_panel(record: Record, losses: Sequence[Point], steps: Scale, top: float) -> str:
    values = [v for _, v in losses]
    good = [v for v in values if math.isfinite(v)] or [1.0]
    cap = 1.25 * max(record.const_loss or 0.0, good[0], median(good))
    shown = [min(v, cap) for v in good]
    steep = min(good) > 0 and max(shown) / min(good) > STEEP
    make = log_scale if steep else linear_scale
    scale = make((*shown, record.const_loss), top + PANEL, top)
    raw = thinned(list(losses), int(steps.end))
    even = [p for p in thinned(smoothed(losses), int(steps.end)) if math.isfinite(p[1])]
    parts = [y_axis(scale, steps.start, steps.end)]
    parts += [_line(raw, steps, scale, "s1 faint"), _line(even, steps, scale, "s1")]
    entries = [("s1", "loss, median of 10 steps")]
    if record.const_loss is not None:
        y = scale.at(record.const_loss)
        parts.append(line(steps.start, y, steps.end, y, "limit"))
        entries.append(("limit", "best constant answer (guessing)"))
    parts += [_odd(x, steps, top) for x, v in raw if not math.isfinite(v)]
    return "".join([*parts, _legend(entries, steps)])


def _legend(entries: Sequence[tuple[str, str]], steps: Scale) -> str:
    narrow = _narrow(steps)
    brief = {"loss, median of 10 steps": "loss", "best constant answer (guessing)": "guessing"}
    return legend(steps.start, 16, [(s, brief.get(w, w) if narrow else w) for s, w in entries])


def _narrow(steps: Scale) -> bool:
    return steps.end < PANEL * 2.5


def _line(points: Sequence[Point], x: Scale, y: Scale, style: str) -> str:
    """A line that breaks where a value is not finite."""
    parts: list[str] = []
    run: list[Point] = []
    for at, value in points:
        if math.isfinite(value):
            run.append((x.at(at), y.at(value)))
        else:
            parts, run = [*parts, path(run, style)], []
    return "".join([*parts, path(run, style)])


def _odd(step: float, steps: Scale, top: float) -> str:
    told = element("title", f"step {step:g}: not finite")
    return element(
        "text", f"{told}∅", x=steps.at(step), y=top + 10, class_="sign", text_anchor="middle"
    )


def _accuracy(report: Report) -> bool:
    held = any(e.accuracy is not None for e in report.evaluations)
    return held or bool(_right(report.record)[1])


def _right(record: Record) -> tuple[str, list[Point]]:
    """What the training's share right is of, in words, and the share by step."""
    if mixed := _points(record, "mixed_accuracy"):
        return MIXED, mixed
    return "accuracy, training", _points(record, "accuracy")


def _accuracy_panel(report: Report, steps: Scale, top: float) -> str:
    scale = Scale(0.0, 1.0, top + SMALL, top)
    parts, entries = [percents(scale, steps.start, steps.end)], []
    word, train = _right(report.record)
    if train:
        parts.append(_line(thinned(smoothed(train), int(steps.end)), steps, scale, "s3 thin"))
        narrow = word == MIXED and _narrow(steps)
        entries.append(("s3 thin", "mixed, main label" if narrow else word))
    held = [(float(e.step), e.accuracy) for e in report.evaluations if e.accuracy is not None]
    if held:
        labels = tuple(f"held-back, step {x:g}" for x, _ in held)
        series = Series(tuple(v for _, v in held), labels, "s2")
        parts.append(plotted(series, [steps.at(x) for x, _ in held], scale))
        entries.append(("s2", "held-back"))
    return "".join([legend(steps.start, top - 9, entries), *parts])


def _begun(report: Report) -> dict[int, str]:
    """Step -> ids of the findings that began there."""
    steps = sorted({s.since for s in report.symptoms})
    return {step: ", ".join(s.id for s in report.symptoms if s.since == step) for step in steps}


def _events(report: Report, steps: Scale, top: float, bottom: float) -> str:
    """A vertical line where findings began."""
    parts = []
    for step, ids in _begun(report).items():
        x = steps.at(float(step))
        anchor = "end" if x > (steps.start + steps.end) / 2 else "start"
        parts.append(line(x, top - 6, x, bottom, "event"))
        parts.append(text(x + (5 if anchor == "start" else -5), top + 4, ids, "flagged", anchor))
    return "".join(parts)


def _training_sentence(report: Report, losses: Sequence[Point]) -> str:
    record = report.record
    even = smoothed(losses)
    words = f"Over {len(losses)} steps the smoothed loss goes from {number(losses[0][1])} to "
    words += f"{number(even[-1][1])}"
    if record.const_loss:
        words += f", {ratio(even[-1][1] / record.const_loss)} of guessing"
    held = [e for e in report.evaluations if e.accuracy is not None]
    if held:
        words += f"; held-back accuracy ends at {percent(held[-1].accuracy)} of {held[-1].samples}"
    since = "; ".join(f"{ids} from step {step}" for step, ids in _begun(report).items())
    return words + (f"; {since}." if since else ".")


def _training_table(report: Report) -> Table:
    metrics = [m for m in report.record.metrics if m.loss is not None]
    every = math.ceil(len(metrics) / ROWS)
    held = {e.step: e for e in report.evaluations}
    chosen = [m for i, m in enumerate(metrics) if i % every == 0 or m.step in held]
    word, points = _right(report.record)
    rows, train = [], dict(points)
    for m in chosen[: 3 * ROWS]:
        e = held.get(m.step)
        rows.append(
            (
                str(m.step),
                number(m.loss),
                number(m.lr),
                percent(train.get(float(m.step))),
                percent(e.accuracy if e else None),
            )
        )
    right = MIXED if word == MIXED else "training accuracy"
    head = ("step", "loss", "rate", right, "held-back accuracy")
    return Table(head, tuple(rows), (True,) * 5)


def one_batch(record: Record, name: str) -> Figure | None:
    """Loss over guessing of the probe steps on one batch; None where none were taken."""
    losses = record.one_batch
    if len(losses) < 2:
        return None
    base = record.const_loss or losses[0]
    values = tuple(v / base if base > 0 else v for v in losses)
    of = "that of the best constant answer" if record.const_loss else "its start"
    finite = [v for v in values if math.isfinite(v)]
    reached = "is not finite"
    if len(finite) == len(values):
        way = "falls to" if min(values) < ONE_BATCH else "stays at"
        reached = f"{way} {ratio(min(values))} of {of}"
    sentence = (
        f"In {counted(len(losses) - 1, 'step')} on one batch the loss {reached}; a net that can "
        f"learn gets below {ratio(ONE_BATCH)}."
    )
    rows = tuple(
        (str(i), number(a), ratio(b)) for i, (a, b) in enumerate(zip(losses, values, strict=True))
    )

    def draw(width: int) -> tuple[int, str]:
        left, right, top = float(LEFT[width]), float(width - RIGHT), 30.0
        steps = Scale(0.0, float(len(values) - 1), left, right, whole=True)
        scale = linear_scale([*(min(v, 1.6) for v in finite), 1.1], top + 130, top)
        parts = [y_axis(scale, left, right), x_axis(steps, top + 130, top + 130, "probe step")]
        limit = scale.at(ONE_BATCH)
        parts += [line(left, limit, right, limit, "limit")]
        points = [(float(i), v) for i, v in enumerate(values)]
        parts += [_line(points, steps, scale, "s1")]
        parts += [_odd(x, steps, top) for x, v in points if not math.isfinite(v)]
        entries = (("s1", "loss/guessing"), ("limit", f"learns: below {ratio(ONE_BATCH)}"))
        return 200, "".join([*parts, legend(left, 16, entries)])

    table = Table(("probe step", "loss", "loss/guessing"), rows, (True, True, True))
    return figure(name, "One batch, over and over", sentence, draw, table)


def line_probe(record: Record, name: str) -> Figure | None:
    """Loss after one step of lr × 10^k; None where the probe was not taken."""
    points = record.line
    if len(points) < 2:
        return None
    good = [p for p in points if math.isfinite(p.loss)]
    start = record.first_loss
    sentence = "Loss on the probe batch after a single step of so many times the rate. "
    if good:
        best = min(good, key=lambda p: p.loss)
        sentence += f"Lowest at × {best.factor:g}: {number(best.loss)}"
        sentence += "." if start is None else f", from {number(start)} before the step."

    def draw(width: int) -> tuple[int, str]:
        left, right, top = float(LEFT[width]), float(width - RIGHT), 30.0
        factors = log_scale([p.factor for p in points], left, right)
        values = tuple(p.loss for p in points)
        cap = 4 * (start or median([p.loss for p in good] or [1.0]))
        shown = tuple(min(v, cap) if math.isfinite(v) else v for v in values)
        low, high = _range([*shown, start])
        scale = Scale(low, high, top + 120, top)
        parts = [y_axis(scale, left, right), x_axis(factors, top + 120, top + 120, "× rate")]
        entries = [("s1", "loss after one step")]
        if start is not None:
            parts.append(line(left, scale.at(start), right, scale.at(start), "limit"))
            entries.append(("limit", "before"))
        own = factors.at(1.0)
        parts.append(line(own, top, own, top + 120, "event"))
        parts.append(text(own + 5, top + 114, "rate given", "flagged"))
        labels = tuple(f"× {p.factor:g}" for p in points)
        parts.append(
            plotted(Series(shown, labels, "s1"), [factors.at(p.factor) for p in points], scale)
        )
        return 192, "".join([*parts, legend(left, 16, entries)])

    rows = tuple((f"{p.factor:g}", number(p.loss)) for p in points)
    return figure(name, "Line probe", sentence, draw, Table(("× rate", "loss"), rows, (True, True)))


def _range(values: Sequence[float | None]) -> tuple[float, float]:
    finite = [v for v in values if v is not None and math.isfinite(v)] or [0.0]
    low, high = min(finite), max(finite)
    spare = 0.12 * (high - low) or 0.1 * abs(high) or 1.0
    return low - spare, high + spare
