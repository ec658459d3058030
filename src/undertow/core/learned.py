"""Whether the steps on one batch learn it, or are on their way there: slow is not stuck."""

import math
from itertools import pairwise
from statistics import median

from undertow.core.decay import LOST, decay
from undertow.core.derive import (
    DIVERGED,
    FAR,
    HOLD,
    MOVES,
    SLOW,
    SMOOTH,
    VERDICT,
    W,
    first,
    largest_update,
    line_best,
)
from undertow.core.record import Record

ONE_BATCH = 0.9  # the probe steps must beat this share of the constant loss
THROWN = 100.0  # times where it began: a loss taken that far on its way is no learning,
# unless it stays below the mark through the later half
SOON = 2 * VERDICT  # steps within which a slow fall must come below the mark
TENTH = 0.1  # what a steep fall leaves of the first loss
SOFT = 0.1  # largest update_ratio of a step that breaks nothing


def learned(record: Record) -> bool | None:
    """Whether the probe steps end below .9 of the constant loss, or are on their way there.

    None: none were taken. On the way is a trend of the later half that takes 2 % of what is left
    in 20 steps and comes below .9 within as many steps again, from the lowest ground so far: slow
    is not stuck. So is a slower fall at each later step, and a steep one from far above guessing. A
    loss that was thrown off on its way is not on the way by its return, and where that was far it
    must stay low through the later half: one batch comes back from there, training does not.
    """
    reached, far = one_batch_progress(record), excursion(record)
    if reached is None:
        return None
    if far is not None and far > THROWN:
        return _stays_low(record)
    if reached < ONE_BATCH:
        return True
    if (far or 0) > DIVERGED:
        return _back(record)
    return _on_the_way(record) or _gaining(record) or _comes_down(record)


def excursion(record: Record) -> float | None:
    """The highest probe loss over the first or the constant one, whichever is larger.

    None where a loss is not finite, or the constant answer's is not known.
    """
    losses, base = record.one_batch, record.const_loss
    if not losses or not base or not all(map(math.isfinite, losses)):
        return None
    return max(losses) / max(losses[0], base)


def _on_the_way(record: Record) -> bool:
    losses, base = record.one_batch, record.const_loss
    late = losses[len(losses) // 2 :]
    if not base or len(late) <= SMOOTH or not all(map(math.isfinite, losses)):
        return False
    if losses[-1] > base or min(losses[-HOLD:]) > min(losses[: -len(late)]):
        return False
    slope = _slope(late)
    falls = -slope * W >= MOVES * (losses[-1] - record.best_loss)
    return falls and losses[-1] + slope * len(losses) < ONE_BATCH * base


def _back(record: Record) -> bool:
    """Thrown once from ground it had learned, and falling at each later step towards it again."""
    losses, base = record.one_batch, record.const_loss or 0.0
    before, late = losses[: losses.index(max(losses))], losses[len(losses) // 2 :]
    falls = len(late) > SMOOTH and all(b < a for a, b in pairwise(late))
    lows = min(before, default=base), 2 * losses[-1] - late[-SMOOTH:][0]
    return falls and max(lows) < ONE_BATCH * base


def _gaining(record: Record) -> bool:
    """Below the constant loss and lower at each later step; neither rate nor gradient too small.

    A rate that the line probe calls too small, from a start where every step is flat, is none if
    the fall comes below the mark within 200 steps. Adam's steps are as large from any start.
    """
    losses, base, best = record.one_batch, record.const_loss, line_best(record)
    late, start = losses[len(losses) // 2 :], first(record)
    moves = None if start is None else largest_update(record, start)
    if not base or len(late) <= SMOOTH or not losses[-1] < base or moves is None or best is None:
        return False
    lost = None if start is None else decay(record.profile("grad_l2", start))
    if lost is not None and lost.total > LOST:
        return False
    soon = losses[-1] + _slope(late) * SOON < ONE_BATCH * base and not record.optimizer.adaptive
    fair = (moves >= SLOW and best < FAR) or (moves >= SLOW / 2 and soon)
    return fair and all(b < a for a, b in pairwise(late))


def _comes_down(record: Record) -> bool:
    """A start far above guessing whose loss fell tenfold and still halves, by soft steps of Adam.

    These do not grow with the gradient (Kingma and Ba 2015, section 2.1): weights drawn too large
    only make the way longer.
    """
    losses, base, start = record.one_batch, record.const_loss, first(record)
    moves = None if start is None else largest_update(record, start)
    if not base or moves is None or not record.optimizer.adaptive or len(losses) <= VERDICT // 4:
        return False
    falls = 2 * losses[-1] < losses[len(losses) // 2]
    return falls and losses[-1] < TENTH * losses[0] and moves < SOFT


def _stays_low(record: Record) -> bool:
    """Whether every loss of the later half is below the mark."""
    losses, base = record.one_batch, record.const_loss
    late = losses[len(losses) // 2 :]
    return bool(base) and len(late) > SMOOTH and max(late) < ONE_BATCH * (base or 0.0)


def _slope(losses: tuple[float, ...]) -> float:
    """The Theil-Sen slope a step."""
    pairs = ((i, j) for i in range(len(losses)) for j in range(i + 1, len(losses)))
    return median((losses[j] - losses[i]) / (j - i) for i, j in pairs)


def one_batch_progress(record: Record) -> float | None:
    """Where the probe steps end: the lowest of their last 3 losses over the constant loss.

    A low loss before the end is no success: a rate too high passes low ground on its way. Where
    the constant loss is unknown the first loss takes its place.
    """
    losses = record.one_batch
    if not losses:
        return None
    if not all(map(math.isfinite, losses)):
        return math.inf
    base = record.const_loss if record.const_loss else losses[0]
    return min(losses[-HOLD:]) / base if base > 0 else 0.0
