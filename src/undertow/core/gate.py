"""The gate: whether a net makes progress, so that nothing it looks like is called a finding."""

import math
from bisect import bisect_right

from undertow.core.decay import DECADES, FIT, LAYERS, STEEP, decay
from undertow.core.derive import (
    GUESSING,
    HEARD,
    HOLD,
    MOVES,
    SMOOTH,
    VERDICT,
    W,
    largest_update,
    last_losses,
    moving,
    normalised,
    points,
    progress,
    smoothed,
    spread,
    trend,
)
from undertow.core.learned import learned
from undertow.core.record import Record
from undertow.core.words import NORMS

HALF = 0.5  # of the first loss: what a fall to the constant answer seldom takes
RIGHT = 0.25  # share of the way from guessing to all right that counts as answering
SOME, FEW = 0.2, 2  # that share with a loss that falls; classes up to which it says nothing
SURE = 3.0  # times the constant loss: what a net that is mostly right loses by over-confidence
GROUND = 0.6  # of the constant loss: where a single batch does not come by guessing
CRAWL = 1e-3  # largest update_ratio of steps that cannot bring a late turn
DOWN = 0.1  # of the constant loss in 20 steps: a fall from above it that is not over
WHOLE = 1.0  # largest update_ratio of steps that do not replace a layer
NORMED = tuple(word for word in NORMS if word not in ("none", "lrn"))


def accuracy(record: Record, step: int) -> float | None:
    """Share of right classes over the last 10 steps up to `step`; None where few were measured.

    Of mixed inputs it is that of their main labels: at chance by guessing too.
    """
    end = bisect_right(record.metrics, step, key=lambda m: m.step)
    last = (m for m in record.metrics[max(0, end - SMOOTH) : end] if m.step > step - SMOOTH)
    right = (m.mixed_accuracy if m.accuracy is None else m.accuracy for m in last)
    seen = [share for share in right if share is not None]
    return sum(seen) / len(seen) if len(seen) >= SMOOTH // 2 else None


def answers(record: Record, step: int) -> bool | None:
    """Whether more classes are right than by guessing: above 1/C + .25 (1 - 1/C); None: unknown."""
    right, classes = accuracy(record, step), record.input.classes
    if right is None or classes < 2:
        return None
    return right >= 1 / classes + RIGHT * (1 - 1 / classes)


def stuck(record: Record, step: int) -> bool:
    """The gate: the net makes no progress, so a symptom may be called a finding.

    Before training it is the one-batch run; in training `progress` > .9 and a loss that does not
    move, from step 100 on. Where the constant loss is unknown a loss that fell by half counts as
    progress too: a net that has learned does not move any more either. A loss still above the
    constant one moves only if the answers do: from a bad start it falls by itself, and a net that
    is right may be over-confident. So does one whose steps hardly move any layer, from .9 on. A
    normalised net that stood well below guessing in the last 100 steps swings, and is not stuck;
    nor is one that still comes down from above the constant loss, or one that answers
    more and more while its loss falls slowly.
    """
    if record.kind == "check":
        return learned(record) is False
    if step + 1 < verdict_after(record):
        return False
    share, right = progress(record, step), answers(record, step)
    if share is not None and _excused(record, step, share, right):
        return False
    if share is not None and share > 1 and right is not None and (not right or share < SURE):
        return not right
    if share is not None and share > GUESSING and right is False and _crawls(record):
        return True
    none = share > GUESSING if share is not None else not _halved(record, step)
    return none and not moving(record, step)


def _excused(record: Record, step: int, share: float, right: bool | None) -> bool:
    """Whether what looks like no progress is a swing, a way down or a slow start."""
    if share > 1 and _comes_down(record, step, right):
        return True
    return (share < 1 and _answers_more(record, step)) or (share < SURE and _swings(record, step))


def _answers_more(record: Record, step: int) -> bool:
    """Whether a fifth of the way to all right is gone and the loss falls, if at half the pace.

    From a quarter on at any pace: behind a late start the last steps tell. Of three classes or
    more: of two a constant answer can be right as often.
    """
    now, slope, classes = smoothed(record, step), trend(record, step), record.input.classes
    seen = accuracy(record, step)
    if now is None or slope is None or seen is None or classes <= FEW:
        return False
    gone = (seen - 1 / classes) / (1 - 1 / classes)
    least = 0.0 if gone >= RIGHT else MOVES / 2 * (now - record.best_loss)
    return gone >= SOME and slope < 0 and -slope * W >= least


def _swings(record: Record, step: int) -> bool:
    """Whether a normalised net had a loss far below the constant one in the last 100 steps."""
    if not normalised(record, NORMED) or not record.const_loss:
        return False
    late = [loss for at, loss in points(record.metrics, step, VERDICT) if at > step - VERDICT]
    return min(late, default=math.inf) < GROUND * record.const_loss


def _comes_down(record: Record, step: int, right: bool | None) -> bool:
    """Whether a normalised net is still coming down from above the constant loss.

    With batch norm one that answers and whose loss falls. With any norm one that falls by a tenth
    of the constant loss in 20 steps and will be below it within 100: behind a last layer drawn too
    large even a sound net takes longer than the verdict to come down.
    """
    now, slope = smoothed(record, step), trend(record, step)
    if now is None or slope is None or not record.const_loss:
        return False
    fall = -slope * W
    if right and normalised(record):
        return fall >= MOVES * now
    fast = fall >= DOWN * record.const_loss and moving(record, step)
    return fast and normalised(record, NORMED)


def _crawls(record: Record) -> bool:
    """Whether no step moved a layer by a thousandth of its size."""
    hardest = _hardest(record)
    return hardest is not None and hardest < CRAWL


def _hardest(record: Record) -> float | None:
    """The largest `update_ratio` of any step sampled."""
    moves = (largest_update(record, s) for s in record.snapshots)
    return max((m for m in moves if m is not None), default=None)


def verdict_after(record: Record) -> int:
    """Steps before the first verdict: 100; 200 where a start may be slow.

    That is a loss still at guessing under batch norm by steps of a usual size, where nothing but
    the rate was ever seen to fail. And with a steady loss of gradient under 3 decades, without
    Adam, below a last hidden layer whose output still depends on the input.
    """
    last = record.snapshots[-1] if record.snapshots else None
    if normalised(record) and _usual(record) and _guesses(record):
        return 2 * VERDICT
    lost = None if last is None else decay(record.profile("grad_l2", last))
    if last is None or lost is None or record.optimizer.adaptive:
        return VERDICT
    steady = lost.layers >= LAYERS and lost.fit > FIT and lost.per_layer > STEEP
    mild = steady and lost.total < DECADES and spread(record, last) > HEARD
    return 2 * VERDICT if mild else VERDICT


def _guesses(record: Record) -> bool:
    share = progress(record, record.last_step)
    return share is not None and share > GUESSING


def _usual(record: Record) -> bool:
    """Whether the hardest step seen moved a layer by more than a thousandth and less than all."""
    hardest = _hardest(record)
    return hardest is not None and CRAWL < hardest < WHOLE


def _halved(record: Record, step: int) -> bool:
    """Whether each of the last 3 losses known is under half of the first one."""
    start = next((m.loss for m in record.metrics if m.loss is not None), None)
    last = list(last_losses(record.metrics, step, HOLD))
    return start is not None and max(last, default=math.inf) < HALF * start
