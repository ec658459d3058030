"""A watch told by our own loop: the optimiser is hooked on sampled steps only, nothing is lost."""

from pathlib import Path

import torch
from torch import Tensor, nn

from undertow.api.diagnose import report_of
from undertow.core.record import Scalars
from undertow.instrument.schedule import START
from undertow.instrument.watch import Watch
from undertow.record.store import read_run

STEPS = 40


def trained(watch: Watch, net: nn.Module, optimizer: torch.optim.Optimizer) -> list[int]:
    """Steps before which the optimiser was hooked."""
    g = torch.Generator().manual_seed(0)
    hooked = []
    for step in range(STEPS):
        x, y = torch.randn(8, 4, generator=g), torch.randint(0, 3, (8,), generator=g)
        if optimizer._optimizer_step_pre_hooks:
            hooked.append(step)
        optimizer.zero_grad()
        loss: Tensor = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        watch.loss(loss.item(), y, Scalars(step, loss.item(), 0.1, 1.5, 0.25))
    return hooked


def made(folder: Path) -> tuple[Watch, nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    watch = Watch(
        net,
        optimizer=optimizer,
        loss=nn.CrossEntropyLoss(),
        judge=report_of,
        told=True,
        run=folder,
    )
    return watch, net, optimizer


def test_only_sampled_steps_are_hooked_and_every_step_is_kept(tmp_path: Path) -> None:
    watch, net, optimizer = made(tmp_path / "run")
    with watch:
        hooked = trained(watch, net, optimizer)
    assert hooked == [s for s in START if s < STEPS]
    assert not optimizer._optimizer_step_pre_hooks
    record = read_run(tmp_path / "run")
    assert [m.step for m in record.metrics] == list(range(STEPS))
    assert [s.step for s in record.snapshots] == hooked
    assert all(m.grad_norm == 1.5 and m.accuracy == 0.25 for m in record.metrics)
    assert record.notes == ()


def test_a_loss_that_is_not_finite_is_kept_though_its_step_was_not_taken(tmp_path: Path) -> None:
    for first in (3, 4):  # not sampled; sampled
        watch, net, optimizer = made(tmp_path / str(first))
        with watch:
            for step in range(first):
                net(torch.randn(8, 4)).sum().backward()
                optimizer.step()
                watch.loss(1.0, None, Scalars(step, 1.0, 0.1, 1.0, 0.5))
            watch.loss(float("nan"), None, Scalars(first, float("nan"), 0.1))
        record = read_run(tmp_path / str(first))
        assert [m.step for m in record.metrics] == list(range(first + 1))
        assert str(record.metrics[-1].loss) == "nan"
        assert "non-finite" in [s.name for s in report_of(record).symptoms]


def test_a_step_left_out_by_a_scaler_does_not_shift_the_ones_behind_it(tmp_path: Path) -> None:
    watch, net, optimizer = made(tmp_path / "run")
    with watch:
        for step in range(12):
            net(torch.randn(8, 4)).sum().backward()
            if step in (5, 8):  # 8 is sampled
                watch.skip(step)
                continue
            optimizer.step()
            watch.loss(1.0, None, Scalars(step, 1.0, 0.1, 2.0, 0.5))
    record = read_run(tmp_path / "run")
    assert [m.step for m in record.metrics] == [s for s in range(12) if s not in (5, 8)]
    assert all(m.grad_norm == 2.0 for m in record.metrics)
    assert [s.step for s in record.snapshots] == [0, 1, 2, 4]
