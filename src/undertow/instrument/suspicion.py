"""What in a step's numbers asks for a closer look at once, and which steps are judged anyway."""

import math
from collections import deque

from undertow.core.derive import SMOOTH, TREND
from undertow.core.record import Cell, Scalars, Snapshot

VERDICT = 100  # step of the first judgement; the next ones at 200, 400, 800, ...
FIRST, LATER = TREND, 5  # steps before a verdict whose losses are wanted; the later keep a budget
ANSWERED = SMOOTH  # steps before a verdict whose answers are wanted too
LONGEST = 64  # steps put off at most
JUMP, BEFORE = 3.0, 20  # a loss this many times the median of the last 20 is suspicious,
FLOOR = 0.1  # if it also rose by this share of the first loss: near 0 a loss jumps by chance
GROWN, FEW = 10.0, 3  # a gradient norm this many times the median of those known, from 3 on


class Suspicion:
    """Remembers the last losses and gradient norms, and says when a new one stands out."""

    def __init__(self) -> None:
        self._losses: deque[float] = deque(maxlen=BEFORE)
        self._norms: deque[float] = deque(maxlen=BEFORE)
        self._first = 0.0

    def raised(self, step: Scalars) -> bool:
        """Whether a step's loss jumped or its gradient grew; takes note of both.

        A loss told of only now and then, and a norm known on sampled steps only, are compared
        with those that were.
        """
        jumped = self._jumped(step.loss)
        return self._grown(step.grad_norm) or jumped

    @property
    def bound(self) -> float:
        """No loss up to it is a jump; -inf while too few are known to say."""
        return JUMP * min(self._losses) if len(self._losses) == BEFORE else -math.inf

    def _jumped(self, loss: Cell) -> bool:
        if loss is None or not math.isfinite(loss):
            return False
        known = self._losses
        if not known:
            self._first = abs(loss)
        usual = math.inf
        if len(known) == BEFORE and loss > JUMP * min(known):  # else no median is needed
            usual = _median(known)
        known.append(loss)
        return loss > JUMP * usual and loss - usual > FLOOR * self._first

    def _grown(self, norm: Cell) -> bool:
        if norm is None or not math.isfinite(norm):
            return False
        known = self._norms
        far = len(known) >= FEW and norm > GROWN * min(known)  # else no median is needed
        grown = far and norm > GROWN * _median(known)
        known.append(norm)
        return grown


def is_bad(scalars: Scalars, snapshot: Snapshot | None) -> bool:
    """Whether a loss or a layer is not finite."""
    if scalars.loss is not None and not math.isfinite(scalars.loss):
        return True
    return snapshot is not None and any(snapshot.column("nonfinite"))


def is_verdict(step: int) -> bool:
    """Steps 100, 200, 400, 800, ..."""
    times, rest = divmod(step, VERDICT)
    return rest == 0 and times > 0 and times & (times - 1) == 0


def is_near_verdict(step: int) -> bool:
    """The steps whose losses a verdict is made of: the last 50 up to step 100, 5 at later ones.

    Where nothing tells the losses they are caught in these: a loss known on sampled steps alone
    (64, 100) is stale by then.
    """
    ahead = -step % VERDICT  # asked at every step of every training: only hundreds can be verdicts
    return ahead < (FIRST if step <= VERDICT else LATER) and is_verdict(step + ahead)


def next_looked_at(step: int) -> int:
    """The next step, from this one on, whose loss or answers a verdict is made of.

    The step itself up to step 100; 64 steps ahead at most.
    """
    if step <= VERDICT:
        return step
    verdict = VERDICT
    while verdict < step:
        verdict *= 2
    return min(max(step, verdict - ANSWERED), step + LONGEST)


def _median(values: deque[float]) -> float:
    """The upper median; `statistics.median` costs five times as much."""
    return sorted(values)[len(values) // 2]
