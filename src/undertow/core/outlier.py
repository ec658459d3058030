"""One batch that breaks a run which was sound until then."""

import math
from statistics import median

from undertow.core.derive import GUESSING, HOLD, W
from undertow.core.record import Record

SPIKE = 30.0  # times the usual loss: one batch stands out
CALM = 3.0  # times the usual loss: more in the last steps announces a run that diverges
NOTICED = 0.1  # share of the first loss that a spike must rise by: near 0 a loss jumps by chance


def from_input(record: Record) -> bool:
    """Whether the first number that was not finite stood in the net's input."""
    return dict(record.facts).get("origin", "").startswith("input ")


def outlier(record: Record) -> tuple[int, float] | None:
    """The step whose batch alone breaks a sound run, and its loss over the usual one's.

    The 20 losses before it have fallen below .9 of the first one, the last three of them at most 3
    times their median (a run that diverges announces itself), and the rate is as it was; its own
    loss is 30 times that median or not finite. None where the first such step was announced, or
    there is none.
    """
    known = [m for m in record.metrics if m.loss is not None and not m.skipped]
    losses = [m.loss for m in known if m.loss is not None]
    least = SPIKE * min(filter(math.isfinite, losses), default=0.0)
    for i in range(W, len(losses)):
        if -math.inf < losses[i] <= least:  # no median is smaller: none needs to be taken
            continue
        usual, loss = median(losses[i - W : i]), losses[i]
        if _stands_out(loss, usual, losses[0]):
            calm = max(losses[i - HOLD : i]) <= CALM * usual < CALM * GUESSING * losses[0]
            before, now = known[i - 1].lr, known[i].lr
            same = before is None or now is None or now <= CALM * before
            return (known[i].step, loss / usual) if calm and same else None
    return None


def _stands_out(loss: float, usual: float, first: float) -> bool:
    if not math.isfinite(usual) or usual <= 0:
        return False
    far = loss > SPIKE * usual and loss - usual > NOTICED * abs(first)
    return far or not math.isfinite(loss)
