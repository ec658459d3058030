"""Plain steps whose losses are kept as they came, until one stands out or somebody asks."""

import math

from undertow.core.codec import rounded
from undertow.core.record import Scalars
from undertow.instrument.suspicion import JUMP


class Backlog:
    """Between two samples a step costs what putting its loss on a list does.

    Python runs with cold caches between two steps of a net: what is done at once for many steps
    costs a third of what it does one by one.
    """

    def __init__(self) -> None:
        self.until = 0  # the first step from here on that is not to be put off
        self._bound = math.inf
        self._steps: list[tuple[float, float | None]] = []

    def open(self, until: int, bound: float) -> None:
        """Steps before `until` may be put off, where their loss is not above `bound`."""
        self.until, self._bound = until, bound

    def take(self, loss: float, lr: float | None, following: int) -> bool:
        """Put a step off; whether it was the last, its loss standing out or the next one due.

        Args:
            loss: of the step.
            lr: its learning rate.
            following: the number of the step after it.
        """
        self._steps.append((loss, lr))
        ends = following >= self.until or not loss <= self._bound
        if JUMP * loss < self._bound:
            self._bound = JUMP * loss
        return ends

    def taken(self, following: int) -> list[Scalars]:
        """All that were put off, in order; `following` is the number of the step after them."""
        steps, self._steps = self._steps, []
        start = following - len(steps)
        return [Scalars(start + i, rounded(loss), lr) for i, (loss, lr) in enumerate(steps)]
