"""The judgements of a watch while it runs: made, told once, shown."""

from collections.abc import Callable
from typing import Any

from undertow.core.record import Cell, Record, Scalars
from undertow.instrument.options import Live


class Findings:
    """Judges a record, and tells of each new set of findings once.

    Args:
        judge: makes the judgement of a record.
        on_finding: the user's; what it raises passes, so it is called by `deliver` alone, which
            no guard surrounds.
        live: shown every step and every judgement.
    """

    def __init__(
        self,
        judge: Callable[[Record], Any],
        on_finding: Callable[[Any], object] | None,
        live: Live | None,
    ) -> None:
        self.judge = judge
        self._on_finding, self._live = on_finding, live
        self._told: tuple[str, ...] = ()
        self._due: list[Any] = []

    @property
    def awaited(self) -> bool:
        """Whether anybody is to be told."""
        return self._on_finding is not None or self._live is not None

    @property
    def shown(self) -> bool:
        """Whether every step is shown."""
        return self._live is not None

    def step(self, scalars: Scalars, const_loss: Cell) -> None:
        """Show a step that is over."""
        if self._live is not None:
            self._live.step(scalars, const_loss)

    def look(self, record: Record) -> Any | None:
        """Judge; the judgement where it holds findings not told before, None elsewhere."""
        found = self.judge(record)
        names = tuple(s.name for s in found.symptoms if not s.note)
        if self._live is not None:
            self._live.judged(found)
        if not names or names == self._told:
            return None
        self._told = names
        self._due.append(found)
        return found

    def deliver(self) -> None:
        """Call `on_finding` with what was found since the last call."""
        while self._due:
            found = self._due.pop(0)
            if self._on_finding is not None:
                self._on_finding(found)

    def close(self) -> None:
        """The watch is over."""
        if self._live is not None:
            self._live.close()
