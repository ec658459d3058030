"""Copies that plain deepcopy cannot make, and starts drawn again."""

import threading
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
    with pytest.raises(UsageError, match=r"Linear\.stream cannot be copied"):
        copied(made)


class Locked(nn.Module):
    """Holds a lock, a layer twice, and tensors of its last graph in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.lock, self.inner = threading.Lock(), nn.Linear(3, 3)
        self.same, self.norm = self.inner, nn.BatchNorm1d(3)
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3) -> (N, 3)."""
        with self.lock:
            self.seen = [self.same(self.norm(self.inner(x)))]
        return self.seen[0]


def test_what_has_no_copy_is_shared_and_no_tensor_is() -> None:
    made, x = Locked(), torch.randn(8, 3)
    made(x)
    before = {k: v.clone() for k, v in made.state_dict().items()}
    new = copied(made)
    assert new.lock is made.lock
    assert new.same is new.inner
    assert not {id(t) for t in new.parameters()} & {id(t) for t in made.parameters()}
    torch.optim.SGD(new.parameters(), lr=1.0).zero_grad()
    new(x).square().sum().backward()
    torch.optim.SGD(new.parameters(), lr=1.0).step()
    assert all(torch.equal(v, before[k]) for k, v in made.state_dict().items())
    assert not torch.equal(new.inner.weight, made.inner.weight)
    assert new.seen[0] is not made.seen[0]


def test_a_part_whose_own_copying_fails_is_copied_from_outside() -> None:
    class Refuses(nn.Linear):
        def __deepcopy__(self, memo: Any) -> Any:
            raise RuntimeError("no")

    made = nn.Sequential(Refuses(4, 3), nn.ReLU())
    new = copied(made)
    assert torch.equal(new(torch.ones(2, 4)), made(torch.ones(2, 4)))
    assert new[0].weight is not made[0].weight


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
