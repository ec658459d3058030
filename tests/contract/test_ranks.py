"""Two processes of a data-parallel training: rank 0 reads gradients behind the all-reduce."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.multiprocessing.spawn import spawn

from undertow.diagnosis.engine import diagnose
from undertow.instrument.probe import Probe
from undertow.instrument.watch import Watch

RANKS = 2


def work(rank: int, folder: str, planted: bool) -> None:
    """One rank: a step under the watch; rank 0 writes what it saw and the true norm."""
    torch.set_num_threads(1)
    meet = f"file://{folder}/meet"
    dist.init_process_group("gloo", meet, timedelta(seconds=60), RANKS, rank)
    if planted:  # read as soon as our own callback runs, as peers do
        Probe._last_of_backward = Probe._after_backward  # type: ignore[method-assign]
    torch.manual_seed(1)
    first = nn.Linear(6, 8)
    own = nn.Sequential(first, nn.ReLU(), nn.Linear(8, 3))
    net = nn.parallel.DistributedDataParallel(own)
    x = torch.randn(16, 6, generator=torch.Generator().manual_seed(rank))
    optimizer, criterion = torch.optim.SGD(own.parameters(), lr=0.05), nn.CrossEntropyLoss()
    with Watch(net, optimizer=optimizer, loss=criterion, judge=diagnose) as w:
        criterion(net(x), torch.arange(16) % 3).backward()
        assert first.weight.grad is not None
        true = first.weight.grad.norm().item()
        optimizer.step()
    if rank == 0:
        seen = w.record.snapshots[0].column("wgrad_l2")[0]
        told = [true, seen, [y.path for y in w.record.layers], list(w.record.notes)]
        Path(folder, "seen.json").write_text(json.dumps(told))
    dist.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize("planted", [False, True])
def test_gradients_are_those_of_all_ranks(planted: bool, tmp_path: Path) -> None:
    spawn(work, (str(tmp_path), planted), nprocs=RANKS)
    true, seen, paths, notes = json.loads((tmp_path / "seen.json").read_text())
    assert paths == ["0", "2"]
    assert notes == []
    assert (seen == pytest.approx(true, rel=1e-5)) is not planted
