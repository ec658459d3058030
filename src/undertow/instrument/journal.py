"""What a watch has seen so far: kept in memory, and in a run folder where one was asked for."""

import platform
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from undertow.core.errors import UndertowError
from undertow.core.record import Held, Layer, Record, Scalars, Snapshot
from undertow.record.schema import EVALUATION_EVENT, as_written, held_of
from undertow.record.store import RunWriter, read_run


class Journal:
    """Scalars and snapshots in order; a folder that fails ends the writing, not the training.

    Args:
        folder: of the run; None keeps everything in memory only.
        note: takes the sentence that says why a folder is no longer written.
        start: the step from which the folder's run goes on; None is a new run.
    """

    def __init__(
        self, folder: Path | None, note: Callable[[str], None], start: int | None = None
    ) -> None:
        self.metrics: list[Scalars] = []
        self.snapshots: list[Snapshot] = []
        self.held: list[Held] = []
        self._folder, self._note, self._start = folder, note, start
        self._first: dict[str, Layer] = {}
        self.before: Record | None = None
        self._writer: RunWriter | None = None
        self._begun = False
        self._head: Record | None = None
        self._layers: tuple[Layer, ...] = ()

    @property
    def stored(self) -> bool:
        """Whether a run folder is being written."""
        return self._writer is not None

    def open(self, head: Record) -> None:
        """Make the run folder, or go on in the one this journal made before.

        Raises:
            UsageError: the folder already holds another run.
            EnvironmentFaultError: it cannot be made.
        """
        if self._folder is None:
            return
        self.go_on()
        versions = {"torch": torch.__version__, "python": platform.python_version()}
        again = self._begun or self._start is not None
        self._writer = RunWriter(self._folder, head, {"versions": versions}, resume=again)
        self._begun, self._head = True, head

    def go_on(self) -> None:
        """Take in, once, what the folder's run had seen before the step it goes on from.

        Raises:
            UsageError: the folder holds no run.
        """
        start = self._start
        if self._folder is None or start is None or self._begun or self.before is not None:
            return
        before = read_run(self._folder)
        self.metrics = [m for m in before.metrics if m.step < start]
        self.snapshots = [s for s in before.snapshots if s.step < start]
        self.held = [h for h in before.held if h.step <= start]
        if start > 0:  # 0: a net of its own
            self._first, self.before = {y.path: y for y in before.layers}, before

    def as_first_seen(self, layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
        """The rows with the start statistics of a run that goes on, not those of its resume."""
        return tuple(self._first.get(y.path, y) for y in layers or self._first.values())

    def add(self, scalars: Scalars, snapshot: Snapshot | None) -> None:
        """One step."""
        self.metrics.append(scalars)
        if snapshot is not None:
            self.snapshots.append(snapshot)
        self._write(lambda w: w.scalars(scalars, snapshot))

    def head(self, record: Record) -> None:
        """What is known of the run by now; files are replaced only where it changed."""
        if record.layers != self._layers:
            self._layers = record.layers
            self._write(lambda w: w.layers(record.layers))
        if record != self._head:
            self._head = record
            self._write(lambda w: w.set_head(record))

    def units(self, step: int, dead: Mapping[str, tuple[int, ...]]) -> None:
        """Which units are dead."""
        self._write(lambda w: w.units(step, dead))

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        """Something that happened; of an evaluation the held-back loss is kept."""
        if kind == EVALUATION_EVENT:
            self.held.append(as_written(held_of(data)))
        self._write(lambda w: w.event(kind, data))

    def flush(self) -> None:
        """Hand every buffered line to the system."""
        self._write(lambda w: w.flush())

    def close(self) -> None:
        """Release the folder."""
        self._write(lambda w: w.close())
        self._writer = None

    def _write(self, write: Callable[[RunWriter], None]) -> None:
        if self._writer is None:
            return
        try:
            write(self._writer)
        except UndertowError as error:
            with suppress(UndertowError):  # the same fault, met again by what is buffered
                self._writer.close()
            self._writer = None
            self._note(f"no longer stored: {error}")
