"""What a report says in words, once for the terminal and the page alike."""

import math
from collections.abc import Sequence
from statistics import median

from undertow.core.activation import FACTS
from undertow.core.decay import Decay, decay
from undertow.core.derive import VERDICT, line_best, progress, smoothed
from undertow.core.finding import Cause, Experiment, Remedy, Symptom
from undertow.core.gate import stuck
from undertow.core.learned import learned, one_batch_progress
from undertow.core.record import Record, Snapshot
from undertow.core.theory import mean_field
from undertow.report.numbers import MISSING, counted, number, ratio, span
from undertow.report.report import LayerRow, Report
from undertow.report.tables import STATS, cell, loss_change, reading

MARKS = {  # symptom -> (glyph, the column it stands in)
    "vanishing-gradient": ("▼", "grad_l2"),
    "exploding-gradient": ("▲", "grad_l2"),
    "signal-collapse": ("▼", "spread"),
    "dead-units": ("✕", "dead"),
    "saturated-units": ("═", "saturated"),
    "zero-gradient": ("▼", "grad_l2"),
}
MARK_WORDS = {"▲": "exploding", "▼": "vanishing", "✕": "dead", "═": "saturated", "∅": "non-finite"}
NON_FINITE = "∅"
UNNAMED = "none named"  # where findings stand and no mechanism explains them
FORWARD = frozenset({"growth", "act_rms", "act_max", "loss"})  # evidence on the forward side
AREAS = (  # area of health, the symptoms that speak of it, a column that shows it was measured
    ("forward signal", ("UT103",), "act_rms"),
    ("gradient", ("UT101", "UT102", "UT106"), "grad_l2"),
    ("dead units", ("UT104",), "dead"),
    ("saturation", ("UT105",), "saturated"),
    ("updates", ("UT107", "UT205"), "update_ratio"),
    ("finite numbers", ("UT108",), "nonfinite"),
    ("progress", ("UT109", "UT110", "UT111"), ""),
    ("head, loss, data", ("UT201", "UT202", "UT203", "UT204"), ""),
)
UNTESTED = "not tested"  # the outcome of an experiment that could not run


def fact(record: Record, key: str) -> str:
    """A fact of the record ("data", "batch", "seed", "seconds", ...); "" where it has none."""
    return dict(record.facts).get(key, "")


def subject(report: Report) -> str:
    """`source · n layers · data · batch · seed · seconds`, as far as they are known."""
    record = report.record
    parts = [report.source or "a model", counted(len(report.main_layers), "layer")]
    parts += [fact(record, "data")]
    parts += [f"{key} {v}" for key in ("batch", "seed") if (v := fact(record, key))]
    parts += [v for v in (fact(record, "device"),) if v != "cpu"]
    if record.kind == "run" and record.last_step >= 0:
        parts.append(counted(record.last_step + 1, "step"))
    seconds = fact(record, "seconds")
    return " · ".join(filter(None, (*parts, f"{seconds} s" if seconds else "")))


def too_early(report: Report) -> str:
    """Why there is no verdict yet, and when there will be one."""
    if report.record.cut:
        return f"the budget ended after {report.record.cut}; raise it for a verdict"
    steps = counted(report.record.last_step + 1, "step")
    return f"{steps} so far; the verdict is given from step {VERDICT} on"


def measured_layers(report: Report) -> str:
    """`12 of 12 layers measured`, with what else was done."""
    record, rows = report.record, report.main_layers
    seen = sum(r.act_rms is not None or r.grad_l2 is not None for r in rows)
    parts = [f"{seen} of {counted(len(rows), 'layer')} measured"]
    if len(record.one_batch) > 1:
        parts.append(counted(len(record.one_batch) - 1, "probe step"))
    seconds = fact(record, "seconds")
    parts += [loss_words(record), f"{seconds} s" if seconds else ""]
    return ", ".join(filter(None, parts))


def marks(report: Report) -> dict[tuple[str, str], str]:
    """(layer, column) -> glyph, for the layers findings name."""
    found: dict[tuple[str, str], str] = {}
    for s in report.symptoms:
        glyph, column = MARKS.get(s.name, ("", ""))
        if glyph == "▲" and any(e.stat in FORWARD for e in s.evidence):
            column = "act_rms"
        found |= {(path, column): glyph for path in s.layers if glyph}
    return found


def mark(row: LayerRow, column: str, found: dict[tuple[str, str], str]) -> str:
    """The glyph beside one number: non-finite first, then what a finding says; "" for none."""
    value = getattr(row, column)
    if value is not None and not math.isfinite(value):
        return NON_FINITE
    return found.get((row.path, column), "")


def shown_snapshot(record: Record) -> Snapshot | None:
    """The snapshot a reader should see: a check's first, a run's last."""
    if not record.snapshots:
        return None
    return record.snapshots[0] if record.kind == "check" else record.snapshots[-1]


def slope(record: Record) -> Decay | None:
    """Decay of the gradient over the hidden layers of the snapshot shown."""
    snap = shown_snapshot(record)
    return None if snap is None else decay(record.profile("grad_l2", snap))


def slope_words(record: Record) -> str:
    """`gradient ×0.66 a layer, R² .99; theory ...`; "" where it cannot be taken."""
    lost = slope(record)
    if lost is None:
        return ""
    if lost.underflow:
        return "the gradient is exactly 0 on the way to the input"
    factor = theory(record)
    wide = "" if factor is None else f"; theory for wide layers ×{number(factor)}"
    kept = number(10**-lost.per_layer)
    return f"gradient ×{kept} a layer towards the input, R² {ratio(lost.fit)}{wide}"


def theory(record: Record) -> float | None:
    """Factor a layer on the gradient, √χ₁, that wide layers of these weights would have.

    None unless the net is a plan's, plain, without norms, of one known activation, at its start.
    """
    hidden = record.where(lambda y: y.role == "hidden")[1:]  # the first one sees the input's scale
    acts = {y.act for y in hidden}
    known = [y.weight_std**2 * y.fan_in for y in hidden if y.weight_std is not None and y.fan_in]
    snap, plan = shown_snapshot(record), record.plan
    if plan is None or plan.choices.skip not in {None, "none"} or record.normalised:
        return None
    if len(acts) != 1 or not acts <= set(FACTS) or len(known) < len(hidden):
        return None
    if snap is None or snap.step:
        return None
    return math.sqrt(mean_field(acts.pop(), median(known)).chi1)


def loss_words(record: Record) -> str:
    """How far the loss got, in terms of guessing; "" where nothing was trained."""
    check = record.kind == "check"
    reached = one_batch_progress(record) if check else progress(record, record.last_step)
    if reached is None:
        return ""
    name = "one-batch loss" if check else "loss"
    if not math.isfinite(reached):
        return f"{name} not finite"
    return f"{name} at {ratio(reached)} of {'guessing' if record.const_loss else 'its start'}"


def sentence(s: Symptom, report: Report) -> str:
    """Layers, number and limit of a finding in one sentence; in a run also since when."""
    where = span(s.layers, [y.path for y in report.record.layers]) if s.layers else ""
    says = s.says or "; ".join(_evidence(e.stat, e.layer, e.value, e.limit) for e in s.evidence)
    lead = f"{where}: " if where and not says.startswith(s.layers[0]) else ""
    since = f" (since step {s.since})" if report.record.kind == "run" else ""
    return f"{lead}{says}{since}"


def _evidence(stat: str, layer: str, value: float, limit: float | None) -> str:
    at = f" at {layer}" if layer else ""
    end = "" if limit is None else f"; limit {cell(stat, limit)}"
    return f"{STATS.get(stat, stat)}{at} is {cell(stat, value)}{end}"


def notes(report: Report) -> tuple[str, ...]:
    """Unusual facts that are no findings, each once."""
    own = [sentence(s, report) for s in report.diagnosis.symptoms if s.note]
    return tuple(dict.fromkeys((*own, *report.diagnosis.notes, *report.record.notes)))


def excluded(causes: Sequence[Cause]) -> tuple[Experiment, ...]:
    """The rivals excluded: of each factor the experiment that came closest, in order.

    A factor that stands among the causes is not also called excluded, whatever one variant did.
    """
    kept, best = {c.name for c in causes}, dict[str, Experiment]()
    for e in (e for cause in causes for e in cause.excluded if e.factor not in kept):
        if e.factor not in best or e.score > best[e.factor].score:
            best[e.factor] = e
    return tuple(best.values())


def named(e: Experiment) -> str:
    """Factor and what it was changed to."""
    return f"{e.factor} {e.variant}" if e.variant not in {"", e.factor} else e.factor


def numbers(e: Experiment) -> str:
    """What an experiment measured before and after, in one phrase; its outcome without numbers."""
    parts = [p for p in (reading(e.before, e.after),) if p != MISSING]
    if e.after.progress is not None:
        parts.append(f"loss {loss_change(e)} of guessing")
    return ", ".join(parts) or e.outcome


def needs_both(experiments: Sequence[Experiment]) -> Experiment | None:
    """The first pair of factors that clears where no single factor does; None otherwise."""
    clears = [e for e in experiments if e.outcome == "clears"]
    pairs = [e for e in clears if "+" in e.factor]
    return pairs[0] if pairs and len(pairs) == len(clears) else None


def ran(experiments: Sequence[Experiment]) -> tuple[Experiment, ...]:
    """The experiments that could be made."""
    return tuple(e for e in experiments if e.outcome != UNTESTED)


def counterfactual(remedy: Remedy, experiments: Sequence[Experiment]) -> Experiment | None:
    """The experiment that made the remedy's edits, and no other, on a copy."""
    wanted = frozenset(remedy.change)
    return next((e for e in ran(experiments) if e.edits and frozenset(e.edits) == wanted), None)


def rate_words(remedy: Remedy, mechanism: str) -> str:
    """How often the remedy alone worked for this mechanism, of the nets where it was tried."""
    rate = next((r for r in remedy.expected if r.mechanism == mechanism), None)
    if rate is None:
        return "no measured rate"
    return f"worked in {rate.worked} of {rate.tried} nets (measured before)"


def mechanism_words(report: Report) -> str:
    """The mechanism; where findings stand and none explains them, that."""
    unnamed = bool(report.symptoms) and report.mechanism == "healthy"
    return UNNAMED if unnamed else report.mechanism


def tested(report: Report) -> tuple[str, ...]:
    """What was looked at, in words."""
    record = report.record
    cells = (c for s in record.snapshots for c in s.columns)
    have = {c.stat for c in cells if any(v is not None for v in c.values)}
    seen = [
        ("forward scale", "act_rms" in have),
        ("gradient profile", "grad_l2" in have),
        ("dead units", "dead" in have),
        ("saturated units", "saturated" in have),
        ("update/weight", "update_ratio" in have),
        ("non-finite values", bool(have)),
        ("learning rate", _rate_tested(record)),
        ("loss moves", bool(record.one_batch or record.metrics)),
        ("one factor at a time", bool(ran(record.experiments))),
    ]
    return tuple(word for word, true in seen if true)


def untested(report: Report) -> tuple[str, ...]:
    """What was not looked at, with the reason or the option that adds it."""
    record, words = report.record, []
    if not record.snapshots:
        words.append("the layers (nothing was recorded)")
    if record.kind == "check":
        words += _untested_before_training(record)
    elif not report.evaluations and not record.held:
        words.append("held-back data")
    if record.const_loss is None and (record.one_batch or record.metrics):
        words.append("distance from guessing (no constant answer is known; judged by trend)")
    cut = [e for e in record.experiments if e.outcome == UNTESTED]
    return (*words, *(f"{named(e)} ({e.why})" if e.why else named(e) for e in cut))


def _untested_before_training(record: Record) -> list[str]:
    words = []
    if fact(record, "data") == "random":
        words.append("your data (random input): add --data")
    if not _rate_tested(record):
        words.append("learning rate (no optimiser was given)")
    if not record.one_batch:
        words.append("whether the loss moves (no probe steps)")
    return words


def _rate_tested(record: Record) -> bool:
    return bool(record.optimizer.name) and (record.kind == "run" or line_best(record) is not None)


def health(report: Report) -> tuple[tuple[str, str], ...]:
    """(area, "good" | "bad" | "note" | "unmeasured") for every area of health."""
    return tuple((area, _state(report, area, ids, column)) for area, ids, column in AREAS)


def _state(report: Report, area: str, ids: Sequence[str], column: str) -> str:
    own = [s for s in report.diagnosis.symptoms if s.id in ids]
    if any(not s.note for s in own):
        return "bad"
    state = _progress(report) if area == "progress" else _area(report, column)
    return "note" if own and state != "bad" else state


def _area(report: Report, column: str) -> str:
    if not column:
        record = report.record
        return "good" if record.loss or record.static or record.input.shape else "unmeasured"
    values = [v for row in report.layers if (v := getattr(row, column)) is not None]
    if not values:
        return "unmeasured"
    return "good" if all(map(math.isfinite, values)) else "bad"


def _progress(report: Report) -> str:
    """Good where the loss beats guessing, bad where it does not or is not finite."""
    record = report.record
    if record.kind == "check":
        return {None: "unmeasured", False: "bad", True: "good"}[learned(record)]
    reached = smoothed(record, record.last_step)
    if reached is not None and not math.isfinite(reached):
        return "bad"
    if reached is None or record.last_step + 1 < VERDICT:
        return "unmeasured"
    return "bad" if stuck(record, record.last_step) else "good"
