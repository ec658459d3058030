"""Which steps are sampled: a dense start, then as often as a budget of the step time allows."""

import math
from collections import deque
from statistics import median

START = (0, 1, 2, 4, 8, 16, 32, 64, 100)  # steps: the verdict at 100 has these 9 rows
TARGET = 0.5  # share of the promised budget aimed at: after-effects take the rest
AFTER = 2  # steps behind a sampled one that still pay for it (cold caches, allocator)
BARE, EXTRAS = 20, 5  # timings whose medians are the bare step and the extra cost
GAPS = (8, 10_000)  # steps between two rows, at least and at most
QUIET = 20  # steps between two rows taken on suspicion


class Schedule:
    """Decides, from its own timings, which steps to sample.

    Args:
        budget: share of the step time that sampling may cost behind step 100; above 0.
        every: sample these multiples of steps instead (suspicion still adds to them).
    """

    def __init__(self, budget: float, every: int | None = None) -> None:
        self._budget, self._every = budget, every
        self._bare: deque[float] = deque(maxlen=BARE)
        self._extra: deque[float] = deque(maxlen=EXTRAS)
        self._window: list[float] = []
        self._own = 0.0
        self._last, self._asked, self._suspected = -1, False, -QUIET

    def due(self, step: int) -> bool:
        """Whether a step, about to begin, is to be sampled."""
        if self._asked:
            return True
        if self._every is not None:
            return step % self._every == 0
        if step <= START[-1]:
            return step in START
        since = step - self._last
        return since % GAPS[0] == 0 and since >= self.gap  # not every step: medians are taken

    def next(self, step: int) -> int:
        """The next step to be sampled as far as known, from this one on; itself while timed."""
        since = step - self._last
        if self._asked or since <= AFTER:
            return step
        if self._every is not None:
            return step + -step % self._every
        if step <= START[-1]:
            return step
        return self._last + math.ceil(max(self.gap, since) / GAPS[0]) * GAPS[0]

    def suspect(self, step: int) -> None:
        """Something looks wrong: sample the next step, unless that was done a moment ago."""
        if step - self._suspected >= QUIET:
            self._suspected, self._asked = step, True

    def sampled(self, step: int, own: float) -> None:
        """A step was sampled; `own` is the seconds spent in our own code at its ends."""
        self._last, self._asked, self._own = step, False, own
        self._window = []

    def took(self, step: int, seconds: float) -> None:
        """A step, sampled or not, took this long from the end of the one before."""
        if self._last >= 0 and step - self._last <= AFTER:
            self._window.append(seconds)
            if step - self._last == AFTER and self._bare:
                spent = sum(self._window) - len(self._window) * median(self._bare)
                self._extra.append(max(spent, self._own))
        else:
            self._bare.append(seconds)

    @property
    def gap(self) -> int:
        """Steps between two rows that keep the cost within the budget."""
        if not self._bare or not self._extra:
            return START[-1]
        allowed = TARGET * self._budget * median(self._bare)
        wanted = median(self._extra) / allowed if allowed > 0 else math.inf
        return math.ceil(min(max(wanted, GAPS[0]), GAPS[1]))
