"""Packed layers give what plain torch gives, sums and rectifiers fused or not."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import undertow as ut
from tests.unit.nn.test_graph import NETS, lively
from undertow.nn.graph import folded
from undertow.nn.packed import PackedConv, PackedLinear, available, packed

pytestmark = pytest.mark.skipif(not available(), reason="torch has no oneDNN operators here")


def fused(net: nn.Module, dtype: torch.dtype = torch.float32) -> nn.Module:
    graph = folded(net)
    assert graph is not None
    return packed(graph, dtype, {})


@pytest.mark.parametrize(("name", "sizes", "side"), NETS)
def test_a_packed_net_is_the_net(name: str, sizes: dict, side: int) -> None:
    net = lively(ut.build(name, seed=0, in_channels=3, **sizes))
    made = fused(net)
    kinds = {type(m) for m in made.modules()}
    assert PackedConv in kinds
    assert nn.Conv2d not in kinds
    x = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted = net(x)
        found = made(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    assert torch.equal(x, torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1)))


class Parts(nn.Module):
    """Three layers for small graphs."""

    def __init__(self, run: Callable[["Parts", Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1)
        self.fc, self.run = nn.Linear(4, 3), run
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Its outputs."""
        return self.fc(self.run(self, x).mean((2, 3)))


RUNS: dict[str, Callable[[Parts, Tensor], Tensor]] = {
    "sum-then-relu": lambda n, x: F.relu(n.a(x) + n.b(n.a(x))),
    "sum-of-input": lambda n, x: n.b(n.a(x).relu()) + x,
    "input-first": lambda n, x: torch.add(x, n.b(x)),
    "other-used-later": lambda n, x: (lambda y: n.b(y) + y * 2 + y)(n.a(x)),
    "sum-kept": lambda n, x: (lambda y: (lambda s: s + n.relu(s.clone()))(y + n.b(y)))(n.a(x)),
    "relu-and-plain": lambda n, x: (lambda y: n.b(y.relu()) + y)(n.a(x)),
    "double": lambda n, x: (lambda y: y + y)(n.a(x)),
    "view-of-other": lambda n, x: (lambda y: n.b(y) + y + y.mean((2, 3), keepdim=True))(n.a(x)),
    "scaled-sum": lambda n, x: torch.add(n.a(x), n.b(x), alpha=2),
    "constant": lambda n, x: n.a(x) + 1,
}


@pytest.mark.parametrize("run", RUNS)
def test_fusing_changes_no_result(run: str) -> None:
    net = Parts(RUNS[run]).eval()
    x = torch.randn(2, 4, 6, 6).to(memory_format=torch.channels_last)
    kept = x.clone()
    made = fused(net)
    with torch.no_grad():
        torch.testing.assert_close(made(x), net(x), rtol=1e-4, atol=1e-5)
    assert torch.equal(x, kept)


def test_a_block_writes_its_sum_over_the_shortcut() -> None:
    made = fused(lively(ut.build("cifar_resnet20", seed=0)))
    sums = [n for n in made.graph.nodes if n.op == "call_module" and len(n.args) == 2]
    layers = [made.get_submodule(n.target) for n in sums]
    assert len(sums) == 9
    assert all(layer.act == "relu" for layer in layers)
    assert sum(layer.over for layer in layers) == 7  # not over the padded shortcuts of two stages


def test_bf16_is_near() -> None:
    net = lively(ut.build("cifar_resnet20", seed=0))
    x = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted = net(x)
        found = fused(net, torch.bfloat16)(
            x.to(torch.bfloat16, memory_format=torch.channels_last)
        ).float()
    assert float((found - wanted).norm() / wanted.norm()) < 0.03  # 8 bits, 20 layers


def test_layers_it_does_not_know_stay() -> None:
    net = nn.Sequential(
        nn.Conv2d(2, 2, 3, padding="same"),
        nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect"),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32, 2),
    ).eval()
    made = fused(net)
    assert [type(m) for m in made.children()][:2] == [nn.Conv2d, nn.Conv2d]
    assert type(made.get_submodule("4")) is PackedLinear
    x = torch.randn(3, 2, 4, 4)
    with torch.no_grad():
        torch.testing.assert_close(made(x), net(x), rtol=1e-4, atol=1e-5)
