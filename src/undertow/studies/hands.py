"""Who measures the cells of a run: this process, or workers where there is enough to do."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from types import TracebackType
from typing import TypeVar

from undertow.experiment.executor import one_thread, run_all

T = TypeVar("T")
R = TypeVar("R")
PAYS = 8.0  # seconds still to compute from which workers, which take 3 s to start, save time


class Hands:
    """Workers for all seeds of a run, started once and only where the first cell says it pays."""

    def __init__(self, workers: int, cells: int) -> None:
        self._workers, self._left = workers, cells
        self._pool: ProcessPoolExecutor | None = None
        self._first = True

    def __enter__(self) -> "Hands":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def all(
        self,
        work: Callable[[T], R],
        tasks: Sequence[T],
        failed: Callable[[T, str], R],
        done: Callable[[R], None],
    ) -> tuple[R, ...]:
        """Results in the order of the tasks; `done` is told each at once."""
        here: tuple[R, ...] = ()
        if self._first and tasks and self._workers > 1:
            here = self._tried(work, tasks[0], failed, done)
        rest = tasks[len(here) :]
        if self._pool is not None:
            return here + run_all(work, rest, failed, executor=self._pool, done=done)
        alone = (run_all(work, (t,), failed, done=done) for t in rest)
        return here + tuple(r for found in alone for r in found)

    def _tried(
        self,
        work: Callable[[T], R],
        task: T,
        failed: Callable[[T, str], R],
        done: Callable[[R], None],
    ) -> tuple[R, ...]:
        """The first cell, in this process; its time tells whether the others need workers."""
        self._first, began = False, time.monotonic()
        found = run_all(work, (task,), failed, done=done)
        if (time.monotonic() - began) * (self._left - 1) > PAYS:
            spawn = get_context("spawn")
            self._pool = ProcessPoolExecutor(
                self._workers, mp_context=spawn, initializer=one_thread
            )
        return found
