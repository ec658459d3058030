"""Finished trials are found again; changed ones, failed ones and cut lines are not."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn, optim

from undertow.core.errors import UsageError
from undertow.core.plan import Choices, Edit, Plan, TrainChoices
from undertow.core.verdict import Trial
from undertow.data.arrays import Arrays
from undertow.experiment.memory import Memory, key
from undertow.experiment.pair import Source, Task
from undertow.nn.optimizer import Factory


def task(seed: int = 0, lr: float = 0.1) -> Task:
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(8, 4, generator=g), torch.arange(8) % 2
    plan = Plan("mlp", Choices(act="relu"), train=TrainChoices(lr=lr))
    data = Arrays("own", x, y, 2, False)
    return Task("control", seed, Source(plan, plan.train), (), data, None, 5)


def trial(seed: int = 0) -> Trial:
    return Trial("control", seed, 5, 0.5, curve=(1.0, 0.5))


def test_a_finished_trial_is_found_by_another_process(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "trials.jsonl"
    Memory(path).put(task(), trial())
    assert Memory(path).get(task()) == trial()


@pytest.mark.parametrize(
    "other",
    [
        task(seed=1),
        task(lr=0.2),
        replace(task(), steps=6),
        replace(task(), draw=9),
        replace(task(), edits=(Edit("act", "tanh"),)),
        replace(task(), train=replace(task().train, x=task().train.x + 1)),
    ],
)
def test_whatever_decides_a_trial_is_in_its_key(other: Task) -> None:
    assert key(other) != key(task())


def build() -> nn.Module:
    """A net of a stranger's."""
    return nn.Linear(4, 2)


def mean(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """A loss of a stranger's."""
    return (outputs.sum(1) - targets).abs().mean()


def step(net: nn.Module, batch: Any) -> torch.Tensor:
    """A step of a stranger's."""
    loss: torch.Tensor = net(batch[0]).abs().mean()
    return loss


def sgd(momentum: float = 0.9) -> Factory:
    return lambda params: optim.SGD(params, lr=0.1, momentum=momentum)


def mine(**changed: Any) -> Task:
    given: dict[str, Any] = {"build": build, "optimizer": sgd(), **changed}
    return replace(task(), source=Source(None, TrainChoices(lr=0.1), **given))


@pytest.mark.parametrize(
    "other",
    [
        mine(loss="mse"),
        mine(loss=mean),
        mine(loss=nn.CrossEntropyLoss(label_smoothing=0.1)),
        mine(step=step),
        mine(optimizer=sgd(0.0)),
        mine(optimizer=optim.Adam),
        mine(build=partial(nn.Linear, 4, 2)),
        replace(mine(), base=2.0),
    ],
)
def test_loss_step_and_optimiser_of_code_are_in_the_key_too(other: Task) -> None:
    assert key(other) != key(mine())
    assert key(mine()) == key(mine(build=build, optimizer=sgd()))


def test_a_loss_with_settings_is_known_by_them_where_it_says_them() -> None:
    by = [partial(nn.functional.cross_entropy, label_smoothing=v) for v in (0.1, 0.1, 0.2)]
    first, again, other = (key(mine(loss=b)) for b in by)
    assert first == again != other


def test_a_trial_that_could_not_run_is_run_again(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "trials.jsonl")
    memory.put(task(), replace(trial(), fault="worker died"))
    assert memory.get(task()) is None


def test_a_cut_last_line_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "trials.jsonl"
    Memory(path).put(task(), trial())
    Memory(path).put(task(seed=1), trial(seed=1))
    path.write_text(path.read_text()[:-20])
    again = Memory(path)
    assert again.get(task()) == trial()
    assert again.get(task(seed=1)) is None


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "trials.jsonl").write_text('{"step": 1}\n')
    with pytest.raises(UsageError, match="holds no trials"):
        Memory(tmp_path / "trials.jsonl")
