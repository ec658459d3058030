"""A training killed at any step goes on as if nothing had happened: bit for bit."""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn, optim

from undertow.core.plan import TrainChoices
from undertow.core.record import Scalars
from undertow.core.run import Evaluation, Run
from undertow.data.arrays import Arrays
from undertow.diagnosis.engine import diagnose
from undertow.instrument.watch import Watch
from undertow.preflight import guarded
from undertow.record.store import read_run
from undertow.train import checkpoint, state
from undertow.train.fit import Job, Limits, fit

State = dict[str, Tensor]
PLAIN = TrainChoices(batch=8, epochs=3)
MANY = TrainChoices(
    batch=4, accumulate=2, epochs=3, ema=0.9, schedule="plateau", plateau_wait=1, warm_up=2
)


class Tied(nn.Module):
    """Dropout draws, batch norm counts, one weight is used twice, maps lie channels last."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.3)
        self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 4)
        self.two.weight = self.one.weight

    def forward(self, x: Tensor) -> Any:
        """(N, 2, H, W) -> (N, 4)."""
        x = self.drop(self.norm(self.conv(x)).relu()).mean((2, 3))
        return self.two(self.one(x).relu())


def make(folder: Path, choices: TrainChoices, kind: str = "sgd") -> Job:
    with guarded(0):
        x, y = torch.randn(50, 2, 4, 4), torch.randint(4, (50,))
        net: nn.Module = Tied().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer: Any = (
        optim.SGD(net.parameters(), 0.1, momentum=0.9)
        if kind == "sgd"
        else optim.AdamW(net.parameters(), 0.01)
    )
    data = Arrays("n", x, y, 4, False)
    return Job(
        net,
        optimizer,
        data.take(torch.arange(42)),
        data.take(torch.arange(42, 50)),
        choices,
        nn.functional.cross_entropy,
        folder,
        limits=Limits(checkpoint_every=2),
    )


def run(job: Job, each: Callable[[Scalars, Evaluation | None], None] | None = None) -> Run:
    start = checkpoint.load(job.folder)[1]["step"] if job.resume else None
    watch = Watch(
        job.net,
        optimizer=job.optimizer,
        loss=job.loss_fn,
        run=job.folder,
        judge=diagnose,
        start=start,
        told=True,
    )
    with guarded(job.seed):
        return fit(job, watch, each or (lambda _s, _e: None))


def killed(job: Job, at: int) -> None:
    """Train in a child that kills itself, by SIGKILL, after step `at`."""

    def die(scalars: Scalars, found: Evaluation | None) -> None:
        if scalars.step == at:
            os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        try:
            run(job, die)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL


def everything(job: Job) -> State:
    tensors, _ = checkpoint.load(job.folder)
    return tensors


def same(one: State, two: State) -> bool:
    return set(one) == set(two) and all(
        torch.equal(one[k], two[k]) and one[k].stride() == two[k].stride() for k in one
    )


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here cuts the power: a killed process needs no flush to the disk."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.mark.parametrize(("choices", "kind"), [(PLAIN, "sgd"), (MANY, "adamw")])
@pytest.mark.parametrize("at", [0, 1, 4, 5, 9, 11, 16])
def test_a_killed_training_goes_on_bit_for_bit(
    tmp_path: Path, at: int, choices: TrainChoices, kind: str
) -> None:
    whole = make(tmp_path / "whole", choices, kind)
    uninterrupted = run(whole)
    killed(make(tmp_path / "cut", choices, kind), at)
    again = replace(make(tmp_path / "cut", choices, kind), resume=True)
    resumed = run(again)
    assert same(everything(whole), everything(again))
    assert [e.loss for e in resumed.evaluations] == pytest.approx(
        [e.loss for e in uninterrupted.evaluations], rel=1e-5
    )
    assert resumed.best is not None
    assert resumed.best.step == uninterrupted.best.step  # type: ignore[union-attr]
    stored = read_run(tmp_path / "cut")
    assert [m.step for m in stored.metrics] == list(range(whole.total))
    assert [m.loss for m in stored.metrics] == [
        m.loss for m in read_run(tmp_path / "whole").metrics
    ]


def test_killed_twice_is_the_same_too(tmp_path: Path) -> None:
    whole = make(tmp_path / "whole", PLAIN)
    run(whole)
    killed(make(tmp_path / "cut", PLAIN), 4)
    killed(replace(make(tmp_path / "cut", PLAIN), resume=True), 9)
    again = replace(make(tmp_path / "cut", PLAIN), resume=True)
    run(again)
    assert same(everything(whole), everything(again))


def test_a_checkpoint_without_the_random_state_would_be_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make(tmp_path / "whole", PLAIN)
    run(whole)
    killed(make(tmp_path / "cut", PLAIN), 4)
    monkeypatch.setattr(state, "restore_random", lambda *_: None)
    again = replace(make(tmp_path / "cut", PLAIN), resume=True)
    run(again)
    assert not same(everything(whole), everything(again))


def test_plain_loaders_read_the_weights(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    job = make(tmp_path, PLAIN)
    run(job)
    held = load_file(tmp_path / "checkpoints" / "last.safetensors")
    plain = {k: v for k, v in held.items() if not k.startswith("~")}
    other = Tied()
    missing = other.load_state_dict(plain, strict=False)
    assert missing.missing_keys == ["two.weight"]  # tied: written once
    assert torch.equal(other.two.weight, job.net.get_parameter("one.weight"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_step_and_loses_nothing(tmp_path: Path, number: int) -> None:
    whole = make(tmp_path / "whole", PLAIN)
    run(whole)

    def ask(scalars: Scalars, found: Evaluation | None) -> None:
        if scalars.step == 6:
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    first = run(make(tmp_path / "cut", PLAIN), ask)
    assert first.interrupted
    assert signal.getsignal(number) is before
    done = checkpoint.load(tmp_path / "cut")[1]["step"]
    assert done in (7, 8)
    again = replace(make(tmp_path / "cut", PLAIN), resume=True)
    run(again)
    assert same(everything(whole), everything(again))


def test_a_budget_ends_it_at_a_step_and_it_goes_on(tmp_path: Path) -> None:
    whole = make(tmp_path / "whole", PLAIN)
    run(whole)
    short = replace(make(tmp_path / "cut", PLAIN), limits=Limits(budget_s=1e-9))
    assert len(run(short).metrics) == 1
    again = replace(make(tmp_path / "cut", PLAIN), resume=True)
    run(again)
    assert same(everything(whole), everything(again))


def test_another_net_is_refused(tmp_path: Path) -> None:
    run(make(tmp_path, PLAIN))
    other = replace(make(tmp_path, PLAIN), resume=True, net=nn.Linear(2, 2))
    with pytest.raises(ValueError, match="of another net"):
        fit(other, None)


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    from undertow.train.stopping import LOCK

    child_ready, parent = os.pipe()
    child = os.fork()
    if child == 0:
        from undertow.train.stopping import only_writer

        with only_writer(tmp_path):
            os.write(parent, b"1")
            signal.pause()
    os.read(child_ready, 1)
    try:
        with pytest.raises(ValueError, match=f"in use by process {child}"):
            run(make(tmp_path, PLAIN))
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(child_ready)
        os.close(parent)
    assert (tmp_path / LOCK).is_file()  # left by the dead one, and taken over
    run(make(tmp_path, PLAIN))
    assert not (tmp_path / LOCK).is_file()


def test_the_best_of_a_run_is_the_one_that_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from undertow.core.errors import EnvironmentFaultError

    true, good = checkpoint.save, run(make(tmp_path / "a", PLAIN)).best
    assert good is not None

    def full(folder: Path, name: str, *rest: Any) -> None:
        if name == "best" and rest[2] == good.step:
            raise EnvironmentFaultError("the disk is full")
        true(folder, name, *rest)

    monkeypatch.setattr(checkpoint, "save", full)
    done = run(make(tmp_path / "b", PLAIN))
    assert done.best is not None
    assert done.best.step != good.step
    assert checkpoint.load(tmp_path / "b", "best")[1]["step"] == done.best.step


def test_a_full_disk_is_told_retried_and_fatal_only_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true, calls = save_file, []

    def sometimes(*args: Any, **named: Any) -> None:
        calls.append(1)
        if len(calls) in (3, 4):
            raise OSError(28, "No space left on device")
        true(*args, **named)

    monkeypatch.setattr(checkpoint, "save_file", sometimes)
    job = make(tmp_path / "a", PLAIN)
    done = run(job)
    assert checkpoint.load(tmp_path / "a")[1]["step"] == job.total
    assert done.best is not None
    assert checkpoint.load(tmp_path / "a", "best")[1]["step"] == done.best.step
    assert "2 checkpoints could not be written; those kept are whole" in done.notes
    from undertow.record.store import read_events

    told = [d for kind, d in read_events(tmp_path / "a") if kind == "warning"]
    assert len(told) == 1  # once, until one is written again
    assert "No space left" in told[0]["text"]

    def never(*args: Any, **named: Any) -> None:
        if len(calls) > 30:
            raise OSError(28, "No space left on device")
        calls.append(1)
        true(*args, **named)

    calls[:] = [1] * 28
    monkeypatch.setattr(checkpoint, "save_file", never)
    from undertow.core.errors import EnvironmentFaultError

    with pytest.raises(EnvironmentFaultError, match="the one before it is whole"):
        run(make(tmp_path / "b", PLAIN))
    assert checkpoint.load(tmp_path / "b")[1]["step"] == 4
