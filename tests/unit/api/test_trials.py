"""What `repair` and `prove` refuse before anything is trained, and say how to mend."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import undertow as ut
from undertow.api.repair import parts
from undertow.api.trials import factory
from undertow.core.errors import EnvironmentFaultError, UsageError

X = torch.randn(60, 6, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2))


def broken() -> nn.Module:
    raise KeyError("no weights")


def nothing() -> Any:
    return None


@pytest.mark.parametrize("build", [broken, nothing, net()], ids=["raises", "None", "a module"])
@pytest.mark.parametrize("verb", [ut.repair, lambda b, d: ut.prove(net, b, d)])
def test_a_builder_that_builds_nothing(verb: Callable[..., Any], build: Any) -> None:
    with pytest.raises(UsageError, match=r"broken raised KeyError|fresh nn\.Module"):
        verb(build, (X, Y))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"steps": 0}, "steps=0 is no count"),
        ({"steps": -1}, "steps=-1 is no count"),
        ({"seeds": 0}, "seeds=0 is no count"),
        ({"seeds": (1, 2, 3)}, "is no count"),
        ({"budget_s": math.nan}, "budget_s=nan is no time"),
        ({"executor": 4}, "takes no work"),
        ({"optimizer": "adam"}, "give an Optimizer or"),
        ({"optimizer": lambda p: None}, "made a NoneType"),
        ({"validation": 1.5}, "is no share"),
    ],
)
def test_numbers_and_parts_that_are_none(given: dict[str, Any], says: str) -> None:
    for verb in (ut.repair, lambda b, d, **k: ut.prove(b, b, d, **k)):
        with pytest.raises(UsageError, match=says):
            verb(net, (X, Y), **given)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ((torch.randn(50, 7), Y[:50]), "does not take inputs of 7"),
        ((X, Y[:50]), "60 inputs and 50 targets"),
        ((X[:0], Y[:0]), "data has no samples"),
        ((X[:2], Y[:2]), "2 samples leaves a part empty"),
        ("digits", "does not take inputs of 1x8x8"),
        ("nowhere.npz", "does not exist"),
    ],
)
def test_data_that_do_not_fit(data: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        ut.repair(net, data)


class Hungry(nn.Module):
    """Takes so much memory in training that a batch of more than 16 is refused."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits."""
        if self.training and len(x) > 16:
            raise torch.OutOfMemoryError("CUDA out of memory")
        logits: torch.Tensor = self.layer(x)
        return logits


def test_out_of_memory_says_what_to_do_and_that_helps() -> None:
    with pytest.raises(EnvironmentFaultError, match=r"out of memory.*fewer or smaller samples"):
        ut.repair(lambda: Hungry(), (X, Y))
    few = zip(X.split(16), Y.split(16), strict=True)
    fix = ut.repair(lambda: Hungry(), few, steps=5, budget_s=60)
    assert {t.fault for t in fix.verdict.trials} == {""}


def test_batches_are_as_large_as_those_given() -> None:
    loader = DataLoader(TensorDataset(X, Y), batch_size=10)
    assert [parts(d, 0.2)[2] for d in ((X, Y), loader, [(X, Y)], iter(loader))] == [64, 10, 64, 10]


def test_named_data_are_loaded() -> None:
    def digits() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))

    said = ut.prove(digits, digits, "digits", steps=2, seeds=1)
    assert [t.fault for t in said.trials] == [""] * 3
    assert ut.check(digits(), "digits", probe_steps=2).mechanism


def test_an_optimizer_is_made_again_for_other_parameters() -> None:
    made = factory(torch.optim.SGD(net().parameters(), lr=0.3, momentum=0.7, nesterov=True))
    other = made(net().parameters())
    assert (other.param_groups[0]["lr"], other.param_groups[0]["momentum"]) == (0.3, 0.7)
    assert other.param_groups[0]["nesterov"]


def test_an_optimizer_of_several_groups_is_refused() -> None:
    groups = [{"params": [p]} for p in net().parameters()]
    with pytest.raises(UsageError, match="several groups"):
        ut.repair(net, (X, Y), optimizer=torch.optim.SGD(groups, lr=0.1))
