"""Copies that plain deepcopy cannot make, and starts drawn again."""

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from undertow.core.errors import UsageError
from undertow.nn.copying import copied, redrawn


class Cached(nn.Linear):
    """Keeps a tensor of its graph."""

    kept: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """The output, kept."""
        self.kept = super().forward(x)
        return self.kept


def test_a_kept_tensor_is_copied_as_a_value() -> None:
    made = Cached(4, 3)
    out = made(torch.ones(2, 4))
    new = copied(made)
    assert new.kept is not None
    assert torch.equal(new.kept, out)
    assert new.kept.is_leaf
    assert made.kept is out
    assert new.weight is not made.weight


def test_old_style_weight_norm_is_copied_and_trains_on_its_own() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = nn.utils.weight_norm(nn.Linear(4, 3))
    made(torch.ones(2, 4))
    new = copied(made)
    assert torch.equal(new(torch.ones(2, 4)), made(torch.ones(2, 4)))
    new(torch.ones(2, 4)).sum().backward()
    assert new.get_parameter("weight_v").grad is not None
    assert made.get_parameter("weight_v").grad is None


def test_what_cannot_be_copied_says_so() -> None:
    made = nn.Linear(2, 2)
    made.stream = (i for i in range(3))  # type: ignore[assignment]
    with pytest.raises(UsageError, match="Linear cannot be copied"):
        copied(made)


def test_a_redrawn_start_keeps_every_distribution() -> None:
    made: Any = nn.Sequential(nn.Linear(20, 20), nn.BatchNorm1d(20))
    one, two, other = redrawn(made, 1), redrawn(made, 1), redrawn(made, 2)
    assert torch.equal(one[0].weight, two[0].weight)
    assert not torch.equal(one[0].weight, other[0].weight)
    assert torch.equal(
        one[0].weight.flatten().sort().values, made[0].weight.flatten().sort().values
    )
    assert torch.equal(one[0].bias, made[0].bias)
    assert torch.equal(one[1].weight, made[1].weight)
