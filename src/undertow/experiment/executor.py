"""Where trials run: this process, a pool of its own, or an executor the user brings."""

import multiprocessing
import os
import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
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


def one_thread() -> None:
    """One torch thread in this process: two workers of two threads on two cores run 8× slower."""
    torch.set_num_threads(1)


def _pickles(value: Any) -> bool:
    try:
        pickle.dumps(value)
    except Exception:  # pickling runs any type's own code, which may raise anything
        return False
    return True


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
