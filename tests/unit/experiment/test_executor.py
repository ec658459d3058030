"""Where trials run makes no difference; a fault of one is its result."""

import os
import subprocess
import sys
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch

from undertow.core.verdict import LATE
from undertow.experiment import executor as module
from undertow.experiment.executor import one_thread, run_all

TASKS = tuple(range(6))


def matrix(seed: int) -> float:
    """A number of a seed that threads would round in another way."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        return float(torch.randn(64, 64, generator=g).matmul(torch.ones(64)).exp().sum())


def late(seed: int) -> int:
    """The seed; the first ones arrive last."""
    time.sleep(0.02 * (len(TASKS) - seed))
    return seed


def slow(seed: int) -> int:
    """The seed, a little later."""
    time.sleep(0.1)
    return seed


def picky(seed: int) -> int:
    """The seed, or an error for 2."""
    if seed == 2:
        raise ValueError("two is too much")
    return seed


def deadly(seed: int) -> int:
    """The seed; the process dies at 1."""
    if seed == 1:
        os._exit(9)
    time.sleep(0.01)
    return seed


def failed(task: Any, why: str) -> Any:
    return (task, why)


def forked(workers: int) -> ProcessPoolExecutor:
    """A pool that starts at once (the pool of the module itself is spawned)."""
    return ProcessPoolExecutor(workers, mp_context=get_context("fork"), initializer=one_thread)


def test_results_are_equal_wherever_they_are_made() -> None:
    expected = tuple(matrix(t) for t in TASKS)
    pools: list[Executor] = [forked(1), forked(2), ThreadPoolExecutor(2)]
    for pool in pools:
        with pool:
            assert run_all(matrix, TASKS, failed, executor=pool) == expected


def test_the_modules_own_pool_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    tasks = TASKS[:2]
    assert run_all(matrix, tasks, failed) == tuple(matrix(t) for t in tasks)


def test_order_of_arrival_does_not_matter() -> None:
    arrived: list[int] = []
    with ThreadPoolExecutor(6) as pool:
        found = run_all(late, TASKS, failed, executor=pool, done=arrived.append)
    assert found == TASKS
    assert sorted(arrived) == list(TASKS)
    assert arrived != list(TASKS)


def test_a_task_that_raises_is_a_failed_result() -> None:
    expected = (0, 1, (2, "ValueError: two is too much"), 3, 4, 5)
    with ThreadPoolExecutor(1) as pool:
        assert run_all(picky, TASKS, failed, executor=pool) == expected
    assert run_all(lambda seed: picky(seed), TASKS, failed) == expected


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_that_dies_fails_its_own_task_alone(
    workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_pool", forked)  # a spawned one takes seconds to start
    with forked(workers) as pool:
        found = run_all(deadly, TASKS, failed, executor=pool)
    assert (found[0], *found[2:]) == (0, 2, 3, 4, 5)
    assert found[1][0] == 1
    assert "BrokenProcessPool" in found[1][1]


def test_what_waits_when_the_time_is_up_is_not_run() -> None:
    ends = time.monotonic() + 0.15
    with ThreadPoolExecutor(1) as pool:
        found = run_all(slow, TASKS, failed, executor=pool, left=lambda: ends - time.monotonic())
    assert found[0] == 0
    assert found[-1] == (5, LATE)
    assert run_all(lambda t: t, (1, 2), failed, left=lambda: 0.0) == ((1, LATE), (2, LATE))


def hungry(seed: int) -> int:
    """Asks for more memory than there is."""
    return len(torch.empty(2**60))


def test_a_lack_of_memory_says_what_helps() -> None:
    (found,) = run_all(hungry, (0,), failed)
    assert found[1].startswith("out of memory: train on fewer or smaller samples")


class Broken(Executor):
    """Takes one task, then no more."""

    def submit(self, fn: Any, /, *args: Any, **given: Any) -> Future[Any]:
        """The result of the first task."""
        if args[0]:
            raise RuntimeError("cannot schedule")
        future: Future[Any] = Future()
        future.set_result(fn(*args))
        return future


def test_a_pool_that_breaks_while_it_is_filled_fails_the_rest() -> None:
    told: list[Any] = []
    found = run_all(picky, (0, 1, 2), failed, executor=Broken(), done=told.append)
    assert found[0] == 0
    assert found[1:] == tuple((t, "RuntimeError: cannot schedule (twice)") for t in (1, 2))
    assert len(told) == 3


def test_what_does_not_pickle_runs_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    found = run_all(lambda seed: (os.getpid(), torch.get_num_threads()), TASKS, failed)
    assert found == ((os.getpid(), 1),) * len(TASKS)


def test_one_core_needs_no_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **given: Any) -> None:
        raise AssertionError("a pool was made")

    monkeypatch.setattr(module, "ProcessPoolExecutor", refuse)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    before = torch.get_num_threads()
    assert run_all(picky, TASKS[:2], failed) == (0, 1)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert run_all(picky, TASKS[:1], failed) == (0,)
    assert torch.get_num_threads() == before


def test_workers_do_not_run_the_users_script_again(tmp_path: Path) -> None:
    """A script without `if __name__ == "__main__"` trains once, not once more in each worker."""
    script = tmp_path / "script.py"
    script.write_text(
        "print('once')\n"
        "from math import sqrt\n"
        "from undertow.experiment.executor import run_all\n"
        "print(run_all(sqrt, (1.0, 4.0), lambda task, why: why))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout == "once\n(1.0, 2.0)\n"


def own_pid(_: int) -> int:
    """The process a task runs in."""
    time.sleep(0.05)
    return os.getpid()


def test_one_pool_serves_several_calls_and_is_made_anew_when_it_breaks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(module, "_pool", forked)
    with module.one_pool():
        first, again = (set(run_all(own_pid, TASKS, failed_pid)) for _ in range(2))
        assert first & again
        assert os.getpid() not in first
        made = run_all(deadly, TASKS, failed_pid)
        assert made[1] == -1
        assert made[2:] == TASKS[2:]
        assert not first & set(run_all(own_pid, TASKS, failed_pid))
    assert not first & set(run_all(own_pid, TASKS, failed_pid))


def failed_pid(_: int, why: str) -> int:
    """No process; what `run_all` makes of a task that was lost."""
    return -1 if why else 0
