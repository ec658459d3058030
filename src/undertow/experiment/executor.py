"""Where trials run: this process, a pool of its own, or an executor the user brings."""

import multiprocessing
import os
import pickle
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

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
) -> tuple[R, ...]:
    """Results in the order of the tasks, whatever the order of arrival.

    Args:
        work: a module-level function of one task.
        tasks: what is to be done; sent to workers where they and `work` pickle.
        failed: the result of a task whose worker died or raised.
        executor: the user's own; None is a pool of min(cores, tasks) processes of one thread.
        done: is told each result as it arrives.
    """
    if executor is not None:
        return _gather(executor, work, tasks, failed, done)
    workers = min(os.cpu_count() or 1, len(tasks))
    if workers < 2 or not _pickles((work, tuple(tasks))):
        return tuple(_here(work, t, failed, done) for t in tasks)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=one_thread) as pool:
        return _gather(pool, work, tasks, failed, done)


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


def _here(
    work: Callable[[T], R], task: T, failed: Callable[[T, str], R], done: Callable[[R], None]
) -> R:
    try:
        with single_threaded():
            result = work(task)
    except Exception as error:  # a trial's fault is its result
        result = failed(task, f"{type(error).__name__}: {error}")
    done(result)
    return result


def _gather(
    pool: Executor,
    work: Callable[[T], R],
    tasks: Sequence[T],
    failed: Callable[[T, str], R],
    done: Callable[[R], None],
) -> tuple[R, ...]:
    futures: dict[Future[R], int] = {}
    results: dict[int, R] = {}
    with _script_left_alone():
        for at, task in enumerate(tasks):
            try:
                futures[pool.submit(work, task)] = at
            except RuntimeError as error:  # the pool broke before it took this one
                results[at] = failed(task, f"{type(error).__name__}: {error}")
                done(results[at])
    for future in as_completed(futures):
        at = futures[future]
        try:
            results[at] = future.result()
        except Exception as error:  # a worker that died is a failed trial, not a crash
            results[at] = failed(tasks[at], f"{type(error).__name__}: {error}")
        done(results[at])
    return tuple(results[i] for i in range(len(tasks)))
