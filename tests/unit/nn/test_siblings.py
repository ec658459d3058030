"""Merged 1x1 convolutions give what they gave alone; others stay."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

import undertow as ut
from tests.unit.nn.test_graph import lively
from undertow.nn.graph import folded
from undertow.nn.packed import available, packed
from undertow.nn.siblings import merge_siblings


class Family(nn.Module):
    """Convolutions of one map."""

    def __init__(self, run: Callable[["Family", Tensor], Tensor], **changes: object) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.c = (nn.Conv2d(4, n, 1) for n in (3, 5, 8))
        self.odd = nn.Conv2d(4, 5, **{"kernel_size": 1, **changes})  # type: ignore[arg-type]
        self.wide, self.run = nn.Conv2d(5, 3, 3, padding=1), run
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Its outputs."""
        return self.run(self, x).mean((2, 3))


def merged(net: nn.Module) -> fx.GraphModule:
    graph = folded(net)
    assert graph is not None
    merge_siblings(graph)
    graph.graph.lint()
    graph.recompile()
    return graph


def convs(graph: fx.GraphModule) -> list[str]:
    names = [str(n.target) for n in graph.graph.nodes if n.op == "call_module"]
    return [name for name in names if type(graph.get_submodule(name)) is nn.Conv2d]


def block(n: Family, x: Tensor) -> Tensor:
    return torch.cat([n.a(x).relu(), n.wide(F.relu(n.b(x))), n.relu(n.c(x))], 1)


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("side", [1, 5, 8])
def test_rectified_siblings_become_one(side: int, batch: int) -> None:
    net = Family(block).eval()
    drawn = torch.get_rng_state()
    graph = merged(net)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert convs(graph) == ["a", "wide"]
    assert graph.get_submodule("a").weight.shape == (16, 4, 1, 1)
    x = torch.randn(batch, 4, side, side, generator=torch.Generator().manual_seed(1))
    ways = [graph, packed(graph, torch.float32, {})] if available() else [graph]
    with torch.no_grad():
        for way in ways:
            out = way(x.to(memory_format=torch.channels_last))
            torch.testing.assert_close(out, net(x), rtol=1e-4, atol=1e-5)


STAYS: dict[str, tuple[Callable[[Family, Tensor], Tensor], dict[str, object]]] = {
    "no-relu": (lambda n, x: F.relu(n.b(x)) + n.odd(x), {}),
    "read-twice": (lambda n, x: (lambda y: y.relu() + y + n.b(x).relu())(n.odd(x)), {}),
    "called-twice": (lambda n, x: n.odd(x).relu() + n.odd(x + 1).relu() + n.b(x).relu(), {}),
    "other-input": (lambda n, x: n.odd(x).relu() + n.b(x + 1).relu(), {}),
    "stride": (lambda n, x: F.relu(n.odd(x)).sum() + F.relu(n.b(x)), {"stride": 2}),
    "padding": (lambda n, x: F.relu(n.odd(x)).sum() + F.relu(n.b(x)), {"padding": 1}),
    "kernel": (lambda n, x: F.relu(n.odd(x)).sum() + F.relu(n.b(x)), {"kernel_size": 3}),
    "no-bias": (lambda n, x: F.relu(n.odd(x)) + F.relu(n.b(x)), {"bias": False}),
}


@pytest.mark.parametrize("case", STAYS)
def test_others_stay(case: str) -> None:
    run, changes = STAYS[case]
    net = Family(run, **changes).eval()
    graph = merged(net)
    assert {"odd", "b"} <= set(convs(graph))
    x = torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(graph(x), net(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bias", [True, False])
def test_a_sibling_may_be_written_over(bias: bool) -> None:
    def run(n: Family, x: Tensor) -> Tensor:
        y, z = n.odd(x).relu(), n.twin(x).relu()  # type: ignore[operator]
        return torch.cat([y.mul_(2), z.add_(y)], 1)

    net = Family(run, bias=bias).eval()
    net.twin = nn.Conv2d(4, 5, 1, bias=bias)
    graph = merged(net)
    assert convs(graph) == ["odd"]
    x = torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(graph(x), net(x), rtol=1e-4, atol=1e-5)


def test_every_block_of_googlenet_merges_three() -> None:
    net = lively(ut.build("googlenet", seed=0, classes=5, aux=0))
    graph = merged(net)
    before = sum(type(m) is nn.Conv2d for m in net.modules())
    assert before - len(convs(graph)) == 2 * 9
