"""A block whose branch starts at 0 is its shortcut; everything else is kept."""

import pytest
import torch
from torch import Tensor, nn

import undertow as ut
from undertow.core.errors import UsageError
from undertow.nn.blocks import add_skip
from undertow.nn.residual import zero_gamma

X = torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(0))


class Foreign(nn.Module):
    """As a stranger writes it: post-activation, a projection where the shape changes."""

    def __init__(self, stride: int = 1) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(4, 4, 3, stride, 1), nn.BatchNorm2d(4)
        self.conv2, self.bn2 = nn.Conv2d(4, 4, 3, 1, 1), nn.BatchNorm2d(4)
        self.down = nn.Conv2d(4, 4, 1, stride) if stride > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        """Branch and shortcut, added in place."""
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        short = x if self.down is None else self.down(x)
        y += short
        return torch.relu(y)


def test_a_foreign_block_starts_as_its_shortcut() -> None:
    net = nn.Sequential(Foreign(), Foreign(2))
    first = net[1].down.weight.clone()  # type: ignore[union-attr]
    assert zero_gamma(net) == ("0.bn2", "1.bn2")
    assert torch.equal(net[0](X), X.relu())
    assert torch.equal(net[1](X), net[1].down(X).relu())  # type: ignore[operator]
    assert torch.equal(net[1].down.weight, first)  # type: ignore[union-attr]


def test_a_skip_put_over_a_block_counts() -> None:
    block = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1))
    net = nn.Sequential(block)
    with pytest.raises(UsageError, match="no residual branch"):
        zero_gamma(net)
    add_skip(block)
    assert zero_gamma(net) == ("0.2",)
    assert torch.equal(net(X), X)


def test_blocks_of_the_zoo_say_where_their_branch_ends() -> None:
    net = ut.apply(ut.build("cifar_resnet20", seed=0), "zero-gamma")
    ends = [m for p, m in net.named_modules() if p.endswith("bn2")]
    assert len(ends) == 9
    assert not any(bool(m.weight.any()) for m in ends)  # type: ignore[union-attr, operator]


def test_a_graph_that_depends_on_its_input_is_told() -> None:
    class Branching(Foreign):
        def forward(self, x: Tensor) -> Tensor:
            """By the sign of a sum."""
            return x if float(x.sum()) > 0 else super().forward(x)

    with pytest.raises(UsageError, match="cannot be traced"):
        zero_gamma(Branching())
