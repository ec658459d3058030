"""Workers come only where the first cell says that they save time."""

import os

import pytest

from undertow.studies import hands


def _here(_: int) -> int:
    return os.getpid()


def _failed(_: int, why: str) -> int:
    raise AssertionError(why)


def _pids(workers: int) -> set[int]:
    with hands.Hands(workers, 3) as some:
        return set(some.all(_here, (1, 2, 3), _failed, lambda _: None))


def test_short_runs_and_one_worker_stay_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _pids(2) == {os.getpid()}
    monkeypatch.setattr(hands, "PAYS", 0.0)
    assert _pids(1) == {os.getpid()}


@pytest.mark.slow
def test_long_ones_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hands, "PAYS", 0.0)
    found = _pids(2)
    assert os.getpid() in found  # the first cell
    assert len(found) > 1
