"""UT109 and UT110: a loss that stays where guessing is, and one that only swings."""

import math
from collections.abc import Iterator
from statistics import median, pvariance

from undertow.core.derive import GUESSING, ROWS, W, line_at, progress, stability, window
from undertow.core.finding import Evidence, Symptom
from undertow.core.gate import stuck
from undertow.core.learned import ONE_BATCH, THROWN, excursion, learned, one_batch_progress
from undertow.core.record import Record
from undertow.core.rule import rule

MOVED = 0.98  # median loss of the last quarter of a head's epoch over the first quarter's
SWING = 1e-2  # median update_ratio of the last rows: below it noise alone may swing a loss
UNSTABLE = 40.0  # lr·λ over its limit that alarms where no probe steps are taken (not Adam)


@rule(
    "UT109",
    "no-progress",
    "The loss stays no better than the best constant answer's",
    needs={"loss"},
    source="diagnosis.md, section 4: calibrated on nets labelled by training",
)
def no_progress(record: Record) -> Iterator[Symptom]:
    """Progress above .9 and not moving at step 100 or later; before training, on one batch.

    A head that trains alone on a frozen body is judged after its first epoch.
    The engine drops it where a symptom that says more speaks.
    """
    if record.kind == "check":
        yield from _before_training(record)
    elif stuck(record, record.last_step) and window(record, record.last_step):
        yield _in_training(record)
    else:
        yield from _head_alone(record)


@rule(
    "UT110",
    "oscillation",
    "The loss swings and does not fall",
    needs={"loss", "update_ratio"},
    source="AutoTrainer (Zhang et al. 2021), table 1; limits: diagnosis.md, section 4",
)
def oscillation(record: Record) -> Iterator[Symptom]:
    """Variance of the last 20 losses above the square of their fall, with large steps."""
    last = window(record, record.last_step)
    moves = _median_update(record)
    if len(last) < W or not all(map(math.isfinite, last)) or not stuck(record, record.last_step):
        return
    swing, fall = pvariance(last), median(last[: W // 2]) - median(last[W // 2 :])
    least = record.limit("oscillation-update", SWING)
    if swing <= fall**2 or moves is None or moves <= least:
        return
    step = record.last_step
    seen = (
        Evidence("loss_variance", "", step, swing, fall**2),
        Evidence("update_ratio", "", step, moves, least),
    )
    says = f"over the last {W} steps the loss swings by {swing**0.5:.2g} and falls by {fall:.2g}"
    yield Symptom("UT110", "oscillation", (), max(0, step - W + 1), seen, says)


def _before_training(record: Record) -> Iterator[Symptom]:
    reached, far = one_batch_progress(record), excursion(record)
    unstable = stability(record)
    if far is not None and far > THROWN and not learned(record):
        seen = (Evidence("one_batch_excursion", "", len(record.one_batch), far, THROWN),)
        says = (
            f"the steps on one batch throw the loss to {far:.3g} times where guessing or the start "
            f"is; limit {THROWN:g}"
        )
        yield Symptom("UT109", "no-progress", (), 0, seen, says)
    elif learned(record) is False and reached is not None:
        yield Symptom(
            "UT109",
            "no-progress",
            (),
            0,
            (Evidence("one_batch_progress", "", len(record.one_batch), reached, ONE_BATCH),),
            _probe_says(record, reached),
        )
    elif learned(record) is None and unstable is not None and unstable > UNSTABLE:
        seen = (Evidence("stability", "", 0, unstable, UNSTABLE),)
        says = f"lr·λ is {unstable:.3g} times what a stable step allows; limit {UNSTABLE:g}"
        yield Symptom("UT109", "no-progress", (), 0, seen, says)


def _probe_says(record: Record, reached: float) -> str:
    """The one-batch numbers, and the line probe's where the user's own step raises the loss."""
    steps, own = max(0, len(record.one_batch) - 1), line_at(record, 1.0)
    base = "the best constant answer's" if record.const_loss else "the first"
    says = (
        f"after {steps} steps on one batch the loss is {reached:.3g} of {base}; limit {ONE_BATCH}"
    )
    if own is not None and record.first_loss is not None and own > record.first_loss:
        says += f"; one step at the rate given takes it from {record.first_loss:.3g} to {own:.3g}"
    return says


def _in_training(record: Record) -> Symptom:
    step = record.last_step
    share = progress(record, step)
    if share is None:
        last = window(record, step)
        seen = (Evidence("loss", "", step, last[-1] if last else math.nan),)
        says = f"the loss does not fall any more by step {step}; progress judged by trend"
        return Symptom("UT109", "no-progress", (), max(0, step - W), seen, says)
    seen = (Evidence("progress", "", step, share, GUESSING),)
    says = f"at step {step} the loss is {share:.3g} of the best constant answer's; limit {GUESSING}"
    return Symptom("UT109", "no-progress", (), _since(record), seen, says)


def _head_alone(record: Record) -> Iterator[Symptom]:
    """A new head is a linear layer: on features of any use its loss falls from the first step."""
    n = int(dict(record.facts).get("head alone", "0").split()[0])
    losses = [m.loss for m in record.metrics if m.step < n and m.loss is not None]
    if not n or len(losses) < n or not record.const_loss:
        return
    part = max(1, n // 4)
    first, last = median(losses[:part]), median(losses[-part:])
    share = last / record.const_loss
    if last < MOVED * first or share <= GUESSING:
        return
    seen = (Evidence("progress", "", n - 1, share, GUESSING),)
    says = (
        f"the head trained alone for {n} steps and its loss is {last:.3g}, {first:.3g} at the"
        f" start: {share:.3g} of the best constant answer's; limit {GUESSING}"
    )
    yield Symptom("UT109", "no-progress", ("head",), 0, seen, says)


def _since(record: Record) -> int:
    """The step after the last loss that was better than guessing; 0 if there was none."""
    mark = GUESSING * (record.const_loss or 0.0)
    good = [m.step for m in record.metrics if m.loss is not None and m.loss < mark]
    return good[-1] + 1 if good else 0


def _median_update(record: Record) -> float | None:
    rows = record.snapshots[-ROWS:]
    each = [list(record.profile("update_ratio", s, ("hidden", "head")).values()) for s in rows]
    medians = [median(v) for v in each if v and all(map(math.isfinite, v))]
    return median(medians) if len(medians) == len(rows) and medians else None
