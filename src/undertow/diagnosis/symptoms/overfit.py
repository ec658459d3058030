"""UT111: the training's loss falls on, the held-back one has turned."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median

from undertow.core.derive import SMOOTH
from undertow.core.finding import Evidence, Symptom
from undertow.core.record import Held, Record
from undertow.core.rule import rule

TURNED = 0.1  # share by which the held-back loss has risen above its lowest
ROUNDS = 3  # evaluations, over which the gap rises each time


@rule(
    "UT111",
    "overfit",
    "The held-back loss rises while the training's falls",
    needs={"loss", "held"},
    source="Prechelt 1998, sec. 2 (GL); SageMaker Debugger's overfit rule: ratio .1",
)
def overfit(record: Record) -> Iterator[Symptom]:
    """Over the last 3 evaluations the gap rises, training falls, held-back is .1 off its best.

    A gap alone is usual: it opens from zero in every net that learns.
    """
    pairs = [(h, t) for h in record.held if (t := _trained(record, h.step)) is not None]
    if len(pairs) < ROUNDS or not all(math.isfinite(h.loss) for h, _ in pairs):
        return
    last = pairs[-ROUNDS:]
    gaps = [h.loss - t for h, t in last]
    falls = all(b < a for a, b in pairwise([t for _, t in last]))
    best, now = min((h for h, _ in pairs), key=lambda h: h.loss), last[-1][0]
    limit = best.loss + record.limit("overfit-rise", TURNED) * abs(best.loss)
    if falls and all(b > a for a, b in pairwise(gaps)) and now.loss > limit:
        yield _symptom(last, best, limit)


def _symptom(last: Sequence[tuple[Held, float]], best: Held, limit: float) -> Symptom:
    (began, before), (now, after) = last[0], last[-1]
    seen = (
        Evidence("held_loss", "", now.step, now.loss, limit),
        Evidence("train_loss", "", now.step, after),
    )
    says = (
        f"held back, the loss was {best.loss:.3g} after step {best.step} and is {now.loss:.3g} now;"
        f" in training it fell from {before:.3g} to {after:.3g} since step {began.step}"
    )
    return Symptom("UT111", "overfit", (), best.step, seen, says)


def _trained(record: Record, step: int) -> float | None:
    """The median of the training's last losses before an evaluation; None where unknown."""
    near = [m.loss for m in record.metrics if step - SMOOTH <= m.step < step]
    known = [loss for loss in near if loss is not None]
    return median(known) if known and all(map(math.isfinite, known)) else None
