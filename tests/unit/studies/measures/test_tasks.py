"""The time of an activation: memory is kept at hand, and every round goes there and back."""

import pytest
import torch
from torch import Tensor, nn

from undertow.core.plan import Plan
from undertow.studies.measures import tasks
from undertow.studies.study import Cell


def test_a_round_goes_there_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[nn.Module] = []
    spent = iter([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])

    def timed(module: nn.Module, x: Tensor) -> float:
        seen.append(module)
        return next(spent)

    monkeypatch.setattr(tasks, "_time", timed)
    three = (nn.Identity(), nn.ReLU(), nn.Tanh())
    assert tasks._there_and_back(three, torch.zeros(1)) == (33.0, 18.0, 12.0)
    assert seen == [*three, *reversed(three)]


def test_costs_are_medians_of_ratios(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_there_and_back", lambda modules, x: (8.0, 4.0, 1.0))
    found = tasks.cost(Cell("tanh", Plan("mlp"), (("fn", "tanh"),), "normal", 0))
    assert found == {"log_of_relu": 2.0, "of_conv": 0.5, "ms": 2000.0}
