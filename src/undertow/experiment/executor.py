"""Where trials run: this process, a pool of its own, or an executor the user brings."""

import math
import multiprocessing
import os
import pickle
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

import torch

from undertow.core.verdict import LATE
from undertow.nn.memory import short_of_memory
from undertow.nn.threads import single_threaded

T = TypeVar("T")
R = TypeVar("R")


def run_all(
    work: Callable[[T], R],
    tasks: Sequence[T],
    failed: Callable[[T, str], R],
    *,
    executor: Executor | None = None,
    done: Callable[[R], None] = lambda _: None,
    left: Callable[[], float] = lambda: math.inf,
) -> tuple[R, ...]:
    """Results in the order of the tasks, whatever the order of arrival.

    A worker that dies takes its pool with it: what was not finished is run once more, one task at
    a time, so that only the task that kills its worker twice fails. One out of memory says so.

    Args:
        work: a module-level function of one task.
        tasks: what is to be done; sent to workers where they and `work` pickle.
        failed: the result of a task whose worker died or raised.
        executor: the user's own; None is a pool of min(cores, tasks) processes of one thread.
        done: is told each result as it arrives.
        left: seconds until tasks that wait are given up, with the fault `LATE`.
    """
    batch = _Batch(work, tasks, failed, done, left)
    if executor is not None:
        return batch.gathered(executor)
    workers = min(os.cpu_count() or 1, len(tasks))  # none for no tasks
    if workers < 2 or not _pickles((work, tuple(tasks))):
        return batch.here()
    with _ready(workers) as pool:
        return batch.gathered(pool)


class _Kept:
    """The pool that stays for several calls; none until the first of them needs it."""

    pool: ProcessPoolExecutor | None = None

    def drop(self) -> None:
        """Let go of the pool: a worker of it has died."""
        if self.pool is not None:
            self.pool.shutdown()
        self.pool = None


_KEPT: ContextVar[_Kept | None] = ContextVar("kept", default=None)


@contextmanager
def one_pool() -> Iterator[None]:
    """One pool for all that runs inside: starting processes can cost more than short trials do."""
    kept = _Kept()
    before = _KEPT.set(kept)
    try:
        yield
    finally:
        _KEPT.reset(before)
        kept.drop()


@contextmanager
def _ready(workers: int) -> Iterator[ProcessPoolExecutor]:
    kept = _KEPT.get()
    if kept is None:
        with _pool(workers) as pool:
            yield pool
        return
    kept.pool = kept.pool or _pool(workers)
    yield kept.pool


def _pool(workers: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=one_thread)


@contextmanager
def _script_left_alone() -> Iterator[None]:
    """Workers started inside do not run the user's script again.

    A spawned process imports the `__main__` it came from; without `if __name__ == "__main__"` that
    would train everything once more in each worker.
    """
    main = sys.modules["__main__"]
    names = ("__file__", "__spec__")
    kept: dict[str, Any] = {k: vars(main)[k] for k in names if k in vars(main)}
    for name in kept:
        setattr(main, name, None)
    try:
        yield
    finally:
        vars(main).update(kept)


def one_thread() -> None:
    """One torch thread in this process: two workers of two threads on two cores run 8× slower."""
    torch.set_num_threads(1)


def _pickles(value: Any) -> bool:
    """Whether a worker can rebuild a value: what stands in the user's script it can not."""
    try:
        return b"__main__" not in pickle.dumps(value)
    except Exception:  # pickling runs any type's own code, which may raise anything
        return False


class _Batch(Generic[T, R]):
    """Tasks on their way: which are done, which failed, which were lost with a broken pool."""

    def __init__(
        self,
        work: Callable[[T], R],
        tasks: Sequence[T],
        failed: Callable[[T, str], R],
        done: Callable[[R], None],
        left: Callable[[], float],
    ) -> None:
        self.work, self.tasks, self.failed = work, tasks, failed
        self.done, self.left = done, left
        self.results: dict[int, R] = {}

    def here(self) -> tuple[R, ...]:
        """One after another in this process."""
        for at, task in enumerate(self.tasks):
            if self.left() <= 0:
                self._keep(at, self.failed(task, LATE))
                continue
            try:
                with single_threaded():
                    result = self.work(task)
            except Exception as error:  # a trial's fault is its result
                result = self.failed(task, said(error))
            self._keep(at, result)
        return self._all()

    def gathered(self, pool: Executor) -> tuple[R, ...]:
        """By an executor; what was lost with a dead worker is run once more."""
        lost = sorted(self._round(pool, range(len(self.tasks))))
        while lost:
            lost = self._again(pool, lost)
        return self._all()

    def _again(self, pool: Executor, lost: list[int]) -> list[int]:
        """Run lost tasks one at a time; the first that kills its worker again fails.

        What is left behind it: a pool of processes is of no use after that.
        """
        broken = isinstance(pool, ProcessPoolExecutor)
        kept = _KEPT.get()
        if broken and kept is not None:
            kept.drop()
        with _pool(1) if broken else nullcontext(pool) as fresh:
            for i, at in enumerate(lost):
                again = self._round(fresh, [at])
                if again:
                    self._keep(at, self.failed(self.tasks[at], f"{again[at]} (twice)"))
                    return lost[i + 1 :]
        return []

    def _round(self, pool: Executor, places: Sequence[int]) -> dict[int, str]:
        """Run some tasks; of those whose worker died before they were done, the reason."""
        lost: dict[int, str] = {}
        futures: dict[Future[R], int] = {}
        with _script_left_alone():
            for at in places:
                if self.left() <= 0:
                    self._keep(at, self.failed(self.tasks[at], LATE))
                    continue
                try:
                    futures[pool.submit(self.work, self.tasks[at])] = at
                except RuntimeError as error:  # the pool broke before it took this one
                    lost[at] = said(error)
        for future in self._arriving(futures):
            at = futures[future]
            try:
                self._keep(at, future.result())
            except CancelledError:
                self._keep(at, self.failed(self.tasks[at], LATE))
            except Exception as error:  # a trial's fault is its result
                if _dead(error):
                    lost[at] = said(error)
                else:
                    self._keep(at, self.failed(self.tasks[at], said(error)))
        return lost

    def _arriving(self, futures: dict[Future[R], int]) -> Iterator[Future[R]]:
        """Futures as they end; once the time is up those that wait are cancelled."""
        open_, late = set(futures), False
        while open_:
            seconds = self.left()
            if seconds <= 0 and not late:
                late = True
                for future in open_:
                    future.cancel()
            pause = None if late or math.isinf(seconds) else seconds
            ended, open_ = wait(open_, timeout=pause, return_when=FIRST_COMPLETED)
            yield from ended

    def _keep(self, at: int, result: R) -> None:
        self.results[at] = result
        self.done(result)

    def _all(self) -> tuple[R, ...]:
        return tuple(self.results[i] for i in range(len(self.tasks)))


def _dead(error: Exception) -> bool:
    """Whether an error says that the worker was lost: ours, or a cluster's by its class's name."""
    return isinstance(error, BrokenExecutor) or type(error).__name__ == "KilledWorker"


def said(error: Exception) -> str:
    """An error in words; one for lack of memory says what helps."""
    text = f"{type(error).__name__}: {error}"
    if short_of_memory(error):
        return f"out of memory: train on fewer or smaller samples a batch ({text})"
    return text
