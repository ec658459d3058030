"""Steps put off until they are asked for are the same as those kept at once."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn, optim

from undertow.core.record import Record
from undertow.diagnosis.engine import diagnose
from undertow.instrument.backlog import Backlog
from undertow.instrument.watch import Watch

X = torch.randn(64, 6, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()


def trained(
    steps: int = 300, thrown: dict[int, float] | None = None, parts: int = 1, **options: Any
) -> Watch:
    """A small net after so many steps; at those `thrown` its inputs are so many times larger.

    A step is of so many micro-batches.
    """
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2))
    opt = optim.SGD(net.parameters(), lr=0.05)
    decay = optim.lr_scheduler.StepLR(opt, 70, 0.5)
    loss_fn = nn.CrossEntropyLoss()
    with Watch(net, judge=diagnose, optimizer=opt, loss=loss_fn, **options) as watch:
        for step in range(steps):
            opt.zero_grad()
            for _ in range(parts):
                loss_fn(net(X * (thrown or {}).get(step, 1.0)), Y).backward()
            opt.step()
            decay.step()
    return watch


def series(record: Record) -> tuple[Any, ...]:
    """What was kept, without the rounding of times."""
    told = [(m.step, repr(m.loss), m.lr, m.accuracy) for m in record.metrics]
    return told, [s.step for s in record.snapshots]


@pytest.mark.parametrize(
    "thrown", [{}, {150: 400.0}, {217: math.nan}, {199: 400.0, 200: 400.0}, {101: 400.0}]
)
def test_put_off_or_kept_at_once_a_run_is_the_same(
    thrown: dict[int, float], tmp_path: Path
) -> None:
    """A run folder keeps every step at once; a jump of the loss samples the step behind it."""
    stored = trained(thrown=thrown, run=tmp_path / "run", every=40).record
    kept = trained(thrown=thrown, every=40).record
    assert series(kept) == series(stored)
    assert [m.step for m in kept.metrics] == list(range(300))
    if thrown == {150: 400.0}:
        assert 151 in [s.step for s in kept.snapshots]


def test_steps_of_several_losses_are_never_put_off_and_know_their_rate(tmp_path: Path) -> None:
    stored = trained(parts=2, run=tmp_path / "run", every=40).record
    kept = trained(parts=2, every=40).record
    assert series(kept) == series(stored)
    assert {m.lr for m in kept.metrics} == {0.05, 0.025, 0.0125, 0.00625, 0.003125}


def test_what_was_put_off_is_there_when_it_is_asked_for() -> None:
    torch.manual_seed(0)
    net = nn.Linear(6, 2)
    opt, loss_fn = optim.SGD(net.parameters(), lr=0.1), nn.CrossEntropyLoss()
    with Watch(net, judge=diagnose, optimizer=opt, loss=loss_fn, every=1000) as watch:
        for step in range(180):
            opt.zero_grad()
            loss_fn(net(X), Y).backward()
            opt.step()
            if step > 110:
                assert len(watch.record.metrics) == step + 1
                assert watch.record.metrics[-1].step == step


def test_most_steps_are_put_off() -> None:
    """Else the short way is not taken, and nothing tells."""
    taken: list[int] = []

    class Counted(Backlog):
        def take(self, loss: float, lr: float | None, following: int) -> bool:
            taken.append(following)
            return super().take(loss, lr, following)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("undertow.instrument.watch.Backlog", Counted)
        trained(400, every=50)
    assert len(taken) > 200
    assert not {s + 1 for s in range(0, 400, 50)} & set(taken)  # sampled steps never


def test_a_loss_above_the_bound_ends_it() -> None:
    backlog = Backlog()
    backlog.open(until=10, bound=6.0)
    assert not backlog.take(2.0, 0.1, 5)
    assert not backlog.take(5.9, 0.1, 6)
    assert not backlog.take(1.0, 0.1, 7)
    assert backlog.take(3.1, 0.1, 8)  # three times the lowest put off
    assert backlog.take(math.nan, 0.1, 9)
    assert backlog.take(1.0, 0.1, 10)
    assert [(s.step, s.lr) for s in backlog.taken(10)] == [(4 + i, 0.1) for i in range(6)]
    assert backlog.taken(10) == []
