"""Whole-net numbers derived from a record: decay, growth, progress, stability."""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import TypeVar

from undertow.core.activation import FACTS
from undertow.core.record import Record, Scalars, Snapshot

T = TypeVar("T")

W = 20  # steps: the window of scalar rules
TREND = 50  # losses: half the steps of the verdict, so that noise does not pass for a fall
SMOOTH = 10  # steps in the median that smooths a loss
GUESSING = 0.9  # progress above it is no better than the best constant answer
MOVES = 0.02  # share of (loss - best possible) a loss must fall by in W steps to "move"
VERDICT = 100  # steps: the in-training verdict; earlier alarms are wrong too often
DIVERGED = 1.5  # one-batch loss over the first loss that means the step is too large
HOLD = 3  # probe steps that count as their end
ROWS = 3  # sampled rows a layer rule must hold in, during training
HEARD = 0.3  # spread of the last hidden layer: its output depends on the input as it should
FAR = 100.0  # times the user's rate at which the line probe is best: that rate is too low,
SLOW = 4e-4  # if the largest update_ratio lies below this as well
RAW_RMS = 5.0  # root mean square of features that nobody standardised
RAW_MAX = 30.0  # largest magnitude of such features
STILL = ("", "none", "lrn")  # words for "no norm"; LRN divides by neighbours, not by a scale
LONG = 30  # plain batch-normalised layers: gradients grow by 1.21 a layer (section 12)


def growth(record: Record, snap: Snapshot) -> float | None:
    """log10 of the last hidden `act_rms` over the first; None where it cannot be taken."""
    values = list(record.profile("act_rms", snap).values())
    if len(values) < 2 or not all(map(math.isfinite, values)) or min(values) <= 0:
        return None
    return math.log10(values[-1] / values[0])


def rectifies(act: str) -> bool:
    """Whether an activation is a ReLU or a leaky one: a line above 0, a flatter one below."""
    slope = FACTS[act].negative_slope if act in FACTS else None
    return slope is not None and slope < 1


def spread(record: Record, snap: Snapshot) -> float:
    """`spread` of the last hidden layer; 1 where it was not measured."""
    values = list(record.profile("spread", snap).values())
    return values[-1] if values else 1.0


def across(record: Record, snap: Snapshot) -> float | None:
    """Standard deviation of the last hidden output across inputs: `spread` × `act_rms`."""
    spreads, sizes = record.profile("spread", snap), record.profile("act_rms", snap)
    if not spreads or not sizes:
        return None
    return list(spreads.values())[-1] * list(sizes.values())[-1]


def first(record: Record) -> Snapshot | None:
    """The snapshot of step 0, before any update; None where that step was not sampled."""
    return next((s for s in record.snapshots if s.step == 0), None)


def largest_update(record: Record, snap: Snapshot) -> float | None:
    """The largest finite `update_ratio` of any layer; None where none was measured."""
    roles = ("hidden", "head")
    seen = [v for v in record.profile("update_ratio", snap, roles).values() if math.isfinite(v)]
    return max(seen, default=None)


def guess(record: Record) -> float | None:
    """Loss of equal odds on all classes (ln C, for `bce` ln 2); None for other losses."""
    if record.loss == "bce":
        return math.log(2)
    classes = record.input.output_classes or record.input.classes
    return math.log(classes) if record.loss == "cross-entropy" and classes > 1 else None


def raw_input(record: Record) -> bool:
    """Whether features of a raw scale reach the first layer and no norm follows it."""
    facts = record.input
    raw = (facts.rms or 0.0) > RAW_RMS or (facts.abs_max or 0.0) > RAW_MAX
    return raw and not normed_first(record)


def normed_first(record: Record) -> bool:
    """Whether the first layer is itself a norm or feeds one."""
    start = record.layers[:2]
    return any(y.role == "norm" and y.kind not in STILL for y in start) or any(
        y.norm not in STILL for y in start[:1]
    )


def base_rate(record: Record) -> float | None:
    """The rate the line probe's factors multiply: the user's own, else the probe's start."""
    if record.optimizer.lr is not None:
        return record.optimizer.lr
    written = dict(record.facts).get("line_lr")
    return None if written is None else float(written)


def held(record: Record, judge: Callable[[Snapshot], T | None]) -> tuple[int, T] | None:
    """First step of the unbroken bad rows that end at the last one, and the last row's proof.

    None unless they are 3 rows or more (one before training, where there is no second).
    """
    start, proof, rows = 0, None, 0
    for snap in record.snapshots:
        proof = judge(snap)
        start = snap.step if rows == 0 else start
        rows = 0 if proof is None else rows + 1
    if proof is None or rows < (1 if record.kind == "check" else ROWS):
        return None
    return start, proof


def smoothed(record: Record, step: int) -> float | None:
    """Median loss of the last 10 steps up to `step`; inf once a loss is not finite.

    Of losses known on sampled steps only, the last 3: ten of them would reach back to the start.
    """
    seen_at = list(points(record.metrics, step, SMOOTH))
    near = [loss for at, loss in seen_at if at > step - SMOOTH]
    seen = near if len(near) >= HOLD else [loss for _, loss in seen_at[:HOLD]]
    if not seen:
        return None
    return median(seen) if all(map(math.isfinite, seen)) else math.inf


def last_losses(metrics: Sequence[Scalars], step: int, count: int) -> Iterator[float]:
    """The last measured losses up to a step, newest first."""
    return (loss for _, loss in points(metrics, step, count))


def points(metrics: Sequence[Scalars], step: int, count: int) -> Iterator[tuple[int, float]]:
    """(step, loss) of the last measured losses up to a step, newest first."""
    at = bisect_right(metrics, step, key=lambda m: m.step)
    while at > 0 and count > 0:
        at -= 1
        loss = metrics[at].loss
        if loss is not None:
            count -= 1
            yield metrics[at].step, loss


def window(record: Record, step: int) -> tuple[float, ...]:
    """The last 20 losses up to `step`, oldest first (probe steps before training)."""
    if record.kind == "check":
        return record.one_batch[-W:]
    return tuple(last_losses(record.metrics, step, W))[::-1]


def progress(record: Record, step: int) -> float | None:
    """Smoothed loss over the best constant answer's; above .9 is no better than guessing."""
    loss = smoothed(record, step)
    if loss is None or not record.const_loss or record.const_loss <= 0:
        return None
    return loss / record.const_loss


def trend(record: Record, step: int) -> float | None:
    """Loss gained a step over the last 50 losses up to `step`: their Theil-Sen slope; < 0 falls.

    Where a step threw the loss above its start and the constant one, all above the constant counts
    as equal to it: the way back to guessing is no learning. Batch norm makes such throws harmless.
    """
    known = list(points(record.metrics, step, TREND))
    if len(known) <= SMOOTH or not all(math.isfinite(loss) for _, loss in known):
        return None
    top = _ceiling(record, step)
    known = [(at, min(loss, top)) for at, loss in known]
    return median((b - a) / (t - s) for s, a in known for t, b in known if s < t)


def _ceiling(record: Record, step: int) -> float:
    losses = [m.loss for m in record.metrics if m.loss is not None and m.step <= step]
    base = record.const_loss
    if not base or not losses or normalised(record):
        return math.inf
    return base if max(losses) > DIVERGED * max(losses[0], base) else math.inf


def normalised(record: Record, kinds: tuple[str, ...] = ("batch",)) -> bool:
    """Whether most hidden layers feed a norm of these kinds."""
    norms = [y.norm for y in record.layers if y.role == "hidden"]
    return sum(word in kinds for word in norms) * 2 > len(norms)


def long_plain(record: Record) -> bool:
    """Whether the plan has no skips and more batch-normalised layers than LONG."""
    plan = record.plan
    normed = [y for y in record.layers if y.role == "hidden" and y.norm == "batch"]
    skips = plan is None or plan.choices.skip not in (None, "none")
    return not skips and len(normed) > LONG


def moving(record: Record, step: int) -> bool:
    """Whether the loss is on its way below guessing, not merely on its way down.

    Its trend must take 2 % of what is left to gain in 20 steps, and carry it below .9 of the
    constant loss within 100 more: a bad start falls towards the constant answer by its last bias
    alone. Where the constant loss is unknown the first condition decides.
    """
    now, slope = smoothed(record, step), trend(record, step)
    if now is None or slope is None or not math.isfinite(now):
        return False
    if -slope * W < MOVES * (now - record.best_loss):
        return False
    return not record.const_loss or now + slope * VERDICT < GUESSING * record.const_loss


def stability(record: Record) -> float | None:
    """lr·λ over the step's stability limit: 2 (SGD), 2(1+β) (momentum); None for Adam or no λ."""
    opt = record.optimizer
    if opt.adaptive or opt.lr is None or record.curvature is None:
        return None
    limit = 2 * (1 + opt.momentum)
    if opt.nesterov:
        limit = limit / (1 + 2 * opt.momentum)
    return opt.lr * record.curvature / limit


def line_best(record: Record) -> float | None:
    """The factor on the user's rate whose single step lowers the loss most; None: no probe."""
    finite = [p for p in record.line if math.isfinite(p.loss)]
    return min(finite, key=lambda p: p.loss).factor if finite else None


def line_at(record: Record, factor: float) -> float | None:
    """The line probe's loss at a factor; None where it was not taken."""
    found = [p.loss for p in record.line if math.isclose(p.factor, factor)]
    return found[0] if found else None
