"""Which units are dead: never above 0 for any sample, in every call, over the last sampled rows."""

from collections import deque

import torch
from torch import Tensor

ROWS = 3  # sampled rows in each of which a unit must be dead to be called so


class DeadUnits:
    """Remembers, for every layer, which units were dead in its last 3 sampled rows.

    A unit of a layer that is called several times is dead if it is dead in every call.
    """

    def __init__(self) -> None:
        self._rows: dict[str, deque[Tensor]] = {}
        self._now: dict[str, Tensor] = {}

    def see(self, path: str, dead: Tensor) -> None:
        """Add one call of the layer in the row being sampled; `dead` is one flag a unit."""
        known = self._now.get(path)
        alike = known is not None and known.shape == dead.shape
        self._now[path] = known & dead if known is not None and alike else dead

    def close(self) -> None:
        """End the row being sampled: from now on it is the last of the three."""
        for path, dead in self._now.items():
            rows = self._rows.setdefault(path, deque(maxlen=ROWS))
            if rows and rows[-1].shape != dead.shape:
                rows.clear()
            rows.append(dead)
        self._now = {}

    def drop(self) -> None:
        """Forget the row being sampled."""
        self._now = {}

    def dead(self, path: str) -> Tensor | None:
        """One flag a unit: dead in each of the last rows. None: never measured."""
        rows = self._rows.get(path)
        return None if not rows else torch.stack(tuple(rows)).all(0)

    def indices(self) -> dict[str, tuple[int, ...]]:
        """The dead units of every layer that has any."""
        found = {path: self.dead(path) for path in self._rows}
        named = {
            path: tuple(dead.nonzero().flatten().tolist())
            for path, dead in found.items()
            if dead is not None
        }
        return {path: units for path, units in named.items() if units}
