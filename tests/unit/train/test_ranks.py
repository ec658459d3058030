"""Two processes are one on the summed batch; evaluation counts each sample once; a loss is told."""

import json
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn, optim

from undertow.core.errors import UsageError
from undertow.core.plan import TrainChoices
from undertow.data.arrays import Arrays
from undertow.nn.optimizer import from_choices
from undertow.nn.parts import by_children
from undertow.preflight import guarded
from undertow.train.evaluation import evaluate
from undertow.train.fit import Job, fit
from undertow.train.ranks import ALONE, Ranks, joined, leave, refuse, shared, written
from undertow.train.transfer import by_part, freezing


def make(folder: Path, choices: TrainChoices) -> Job:
    with guarded(0):
        x, y = torch.randn(87, 6), torch.randint(3, (87,))
        net = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 3))
    data = Arrays("n", x, y, 3, False)
    return Job(
        net,
        optim.SGD(net.parameters(), 0.1, momentum=0.9),
        data.take(torch.arange(76)),
        data.take(torch.arange(76, 87)),
        choices,
        nn.functional.cross_entropy,
        folder,
    )


def spread(world: int, work: Callable[[Ranks], None]) -> list[int]:
    """Exit codes of `world` forked ranks on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(world):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.environ.update(
                    RANK=str(rank), WORLD_SIZE=str(world), LOCAL_WORLD_SIZE=str(world),
                    MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), GLOO_SOCKET_IFNAME="lo",
                )  # fmt: skip
                work(joined())
                code = 0
            finally:
                leave(code, together=code == 0)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(c, 0)[1]) for c in children]


@pytest.mark.parametrize("accumulate", [1, 2])
def test_two_ranks_are_one_process_on_the_summed_batch(tmp_path: Path, accumulate: int) -> None:
    """76 samples in groups of 16: the last one is short (12), with 2 x 2 micro-batches too."""
    many = TrainChoices(batch=8 // accumulate, accumulate=accumulate, steps=20)

    def work(ranks: Ranks) -> None:
        job = replace(make(tmp_path, many), ranks=ranks)
        fit(job, None)
        torch.save(dict(job.net.state_dict()), tmp_path / f"{ranks.rank}.pt")

    assert spread(2, work) == [0, 0]
    one = make(tmp_path / "one", TrainChoices(batch=16, steps=20))
    fit(one, None)
    first, second = (torch.load(tmp_path / f"{r}.pt", weights_only=True) for r in (0, 1))
    for name, value in one.net.state_dict().items():
        assert torch.equal(first[name], second[name])
        assert float((first[name] - value).norm() / value.norm()) < 1e-6


@pytest.mark.parametrize("world", [2, 3])
def test_evaluation_counts_101_samples_once(tmp_path: Path, world: int) -> None:
    with guarded(0):
        data = Arrays("n", torch.randn(101, 4), torch.randint(3, (101,)), 3, False)
        net = nn.Linear(4, 3)
    alone = evaluate(net, data, nn.functional.cross_entropy)

    def work(ranks: Ranks) -> None:
        found = evaluate(net, data, nn.functional.cross_entropy, 0, ranks)
        told = [found.samples, found.accuracy, found.balanced, found.loss]
        (tmp_path / f"{ranks.rank}.json").write_text(json.dumps(told))

    assert spread(world, work) == [0] * world
    for rank in range(world):
        n, accuracy, balanced, loss = json.loads((tmp_path / f"{rank}.json").read_text())
        assert (n, accuracy) == (101, alone.accuracy)
        assert balanced == pytest.approx(alone.balanced)
        assert loss == pytest.approx(alone.loss, rel=1e-6)


def test_a_rank_that_fails_ends_the_others_and_says_why(tmp_path: Path) -> None:
    def work(ranks: Ranks) -> None:
        if ranks.rank == 1:
            written(tmp_path, 1, {"status": "failed", "error": "planted"})
            leave(3, together=False)
        try:
            ranks.any(False)
        except RuntimeError as error:
            written(tmp_path, 0, {"status": "failed", "error": str(error)[:200]})
            leave(3, together=False)

    assert spread(2, work) == [3, 3]
    told = [json.loads((tmp_path / "ranks" / f"{r}.json").read_text()) for r in (0, 1)]
    assert told[1]["error"] == "planted"
    assert told[0]["status"] == "failed"


def test_rank_0_alone_writes_and_all_have_its_folder(tmp_path: Path) -> None:
    def work(ranks: Ranks) -> None:
        folder = Path(shared(str(tmp_path / f"of-{ranks.rank}"), ranks))
        fit(replace(make(folder, TrainChoices(batch=8, steps=4)), ranks=ranks), None)

    assert spread(2, work) == [0, 0]
    assert [p.name for p in tmp_path.iterdir()] == ["of-0"]
    held = load_file(tmp_path / "of-0" / "checkpoints" / "last.safetensors")
    assert "0.weight" in held


def test_alone_without_torchrun_and_sync_norms_are_refused() -> None:
    assert joined({}) is ALONE
    assert shared("x", ALONE) == "x"
    assert ALONE.any(True)
    with pytest.raises(UsageError, match="works on GPUs only; use norm=group"):
        refuse(nn.Sequential(nn.SyncBatchNorm(3)))


@pytest.mark.parametrize("unfreeze", ["1:0", "2:0"])
def test_unfreezing_on_two_ranks_is_unfreezing_on_one(tmp_path: Path, unfreeze: str) -> None:
    """The wrapper averages only what trained when it was made: it is made anew."""
    choices = TrainChoices(lr=0.1, batch=8, steps=15, freeze="body", unfreeze=unfreeze)

    def frozen(folder: Path, choices: TrainChoices) -> Job:
        job = make(folder, choices)
        plan = freezing(choices, job.net, by_children(job.net, job.train.x[:2]))  # type: ignore[arg-type]
        optimizer = from_choices(choices, by_part(plan, job.net, lr=0.1, bare=False))
        return replace(job, optimizer=optimizer, freezing=plan)

    def work(ranks: Ranks) -> None:
        job = replace(frozen(tmp_path, choices), ranks=ranks)
        fit(job, None)
        torch.save(dict(job.net.state_dict()), tmp_path / f"{ranks.rank}.pt")

    assert spread(2, work) == [0, 0]
    one = frozen(tmp_path / "one", replace(choices, batch=16))
    start = one.net.state_dict()["0.weight"].clone()
    fit(one, None)
    first, second = (torch.load(tmp_path / f"{r}.pt", weights_only=True) for r in (0, 1))
    assert not torch.equal(first["0.weight"], start)
    for name, value in one.net.state_dict().items():
        assert torch.equal(first[name], second[name])
        assert float((first[name] - value).norm() / value.norm()) < 1e-6
