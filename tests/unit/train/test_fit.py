"""A whole training: steps and epochs counted, the best kept, an orderly end at NaN and Ctrl-C."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn, optim

from undertow.core.errors import EnvironmentFaultError
from undertow.core.plan import TrainChoices
from undertow.core.record import Scalars
from undertow.core.run import Evaluation
from undertow.data.arrays import Arrays
from undertow.diagnosis.engine import diagnose
from undertow.instrument.watch import Watch
from undertow.record.store import read_events, read_run
from undertow.train.fit import Job, fit


def make(folder: Path, lr: float = 0.1, loss: Callable[..., Tensor] | None = None) -> Job:
    torch.manual_seed(0)
    x = torch.randn(50, 4)
    y = (x[:, 0] > 0).long()
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    data = Arrays("n", x, y, 2, False)
    return Job(
        net,
        optim.SGD(net.parameters(), lr=lr),
        data.take(torch.arange(40)),
        data.take(torch.arange(40, 50)),
        TrainChoices(batch=16, epochs=3),
        loss or nn.functional.cross_entropy,
        folder,
    )


def watch(job: Job) -> Watch:
    return Watch(job.net, optimizer=job.optimizer, loss=job.loss_fn, run=job.folder, judge=diagnose)


def test_steps_epochs_and_evaluations_are_counted(tmp_path: Path) -> None:
    job = make(tmp_path)
    assert (job.epoch, job.total) == (3, 9)  # 16, 16 and a short group of 8
    told: list[tuple[int, int | None]] = []

    def each(scalars: Scalars, found: Evaluation | None) -> None:
        told.append((scalars.step, None if found is None else found.step))

    run = fit(job, watch(job), each)
    assert [s.step for s in run.metrics] == list(range(9))
    assert [e.step for e in run.evaluations] == [3, 6, 9]
    assert told == [(n, n + 1 if n % 3 == 2 else None) for n in range(9)]
    assert run.best == min(run.evaluations, key=lambda e: e.loss)
    assert not run.interrupted


def test_what_is_left_says_what_was_done(tmp_path: Path) -> None:
    job = make(tmp_path)
    run = fit(job, watch(job))
    record = read_run(tmp_path)
    assert [m.loss for m in record.metrics] == pytest.approx([m.loss for m in run.metrics], 1e-5)
    kinds = [data["loss"] for kind, data in read_events(tmp_path) if kind == "evaluation"]
    assert kinds == pytest.approx([e.loss for e in run.evaluations], 1e-5)
    held = load_file(tmp_path / "checkpoints" / "last.safetensors")
    assert all(torch.equal(held[k], v) for k, v in job.net.state_dict().items())


def test_steps_win_over_epochs_and_the_end_is_evaluated(tmp_path: Path) -> None:
    job = make(tmp_path)
    job = Job(**{**vars(job), "choices": TrainChoices(batch=16, epochs=3, steps=4)})
    run = fit(job, watch(job))
    assert len(run.metrics) == 4
    assert [e.step for e in run.evaluations] == [3, 4]


def test_a_loss_that_is_not_finite_ends_it_and_is_not_saved(tmp_path: Path) -> None:
    calls: list[int] = []

    def breaks(out: Tensor, y: Tensor) -> Tensor:
        calls.append(1)
        loss = nn.functional.cross_entropy(out, y)
        return loss * (math.nan if out.requires_grad and len(calls) > 4 else 1.0)

    job = make(tmp_path, loss=breaks)
    run = fit(job, watch(job))
    assert math.isnan(run.metrics[-1].loss or 0.0)
    assert len(run.metrics) < 9
    held = load_file(tmp_path / "checkpoints" / "last.safetensors")
    assert all(bool(torch.isfinite(v).all()) for v in held.values())


def test_ctrl_c_leaves_a_readable_run_and_the_last_state(tmp_path: Path) -> None:
    job = make(tmp_path)

    def stop(scalars: Scalars, found: Evaluation | None) -> None:
        if scalars.step == 2:
            raise KeyboardInterrupt

    run = fit(job, watch(job), stop)
    assert run.interrupted
    assert len(run.metrics) == 3
    assert len(read_run(tmp_path).metrics) == 3
    about = json.loads((tmp_path / "checkpoints" / "last.json").read_text())
    assert about["step"] == 3
    held = load_file(tmp_path / "checkpoints" / "last.safetensors")
    assert all(torch.equal(held[k], v) for k, v in job.net.state_dict().items())


def test_a_watched_training_has_the_weights_of_an_unwatched_one(tmp_path: Path) -> None:
    one, two = make(tmp_path / "a"), make(tmp_path / "b")
    fit(one, Watch(one.net, optimizer=one.optimizer, every=1, judge=diagnose))
    fit(two, Watch(two.net, optimizer=two.optimizer, every=1000, judge=diagnose))
    pairs = zip(one.net.parameters(), two.net.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_reader_that_dies_while_the_loop_is_elsewhere_is_no_fault_of_the_loop(
    tmp_path: Path,
) -> None:
    """Torch raises in its signal handler, at whatever line the training just is."""

    def each(scalars: Scalars, _: Evaluation | None) -> None:
        raise RuntimeError(message)

    message = "DataLoader worker (pid 7) is killed by signal: Killed. "
    said = r"reads samples failed: .*pid 7\) is killed by signal: Killed; resume"
    job = make(tmp_path / "a")
    with pytest.raises(EnvironmentFaultError, match=said):
        fit(job, watch(job), each)
    message = "something else"
    job = make(tmp_path / "b")
    with pytest.raises(RuntimeError, match=r"^something else$"):
        fit(job, watch(job), each)
