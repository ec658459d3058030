"""A folded graph gives what the net gives; what cannot be followed is left alone."""

import pytest
import torch
from torch import Tensor, nn

import undertow as ut
from undertow.nn.graph import folded

NETS = [
    ("cifar_resnet20", {}, 32),
    ("resnet18", {"classes": 5}, 32),
    ("googlenet", {"classes": 5}, 32),
    ("alexnet", {"classes": 5, "norm": "batch"}, 64),
    ("conv", {"depth": 4, "width": 8, "norm": "batch"}, 12),
]


def lively(net: nn.Module) -> nn.Module:
    """Batch norms as after a training: statistics and scales that matter."""
    g = torch.Generator().manual_seed(0)
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d | nn.BatchNorm1d):
            m.running_mean.normal_(0, 0.2, generator=g)
            m.running_var.uniform_(0.5, 2, generator=g)
            nn.init.uniform_(m.weight, 0.5, 1.5, generator=g)
            nn.init.normal_(m.bias, 0, 0.2, generator=g)
    return net.eval()


@pytest.mark.parametrize(("name", "sizes", "side"), NETS)
def test_a_folded_graph_is_the_net_without_norms(name: str, sizes: dict, side: int) -> None:
    net = lively(ut.build(name, seed=0, in_channels=3, **sizes))
    before = {k: v.clone() for k, v in net.state_dict().items()}
    graph = folded(net)
    assert graph is not None
    called = {str(n.target) for n in graph.graph.nodes if n.op == "call_module"}
    kinds = {type(graph.get_submodule(name)) for name in called}
    assert not kinds & {nn.BatchNorm2d, nn.Dropout, nn.Identity}
    x = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(graph(x), net(x), rtol=1e-4, atol=1e-5)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


class Shared(nn.Module):
    """One convolution, called before a norm and alone."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Its outputs."""
        y = self.drop(self.bn(self.conv(x)))
        return (y + self.conv(y)).mean((2, 3))


class Twice(nn.Module):
    """What stands before the norm is also used without it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2)

    def forward(self, x: Tensor) -> Tensor:
        """Its outputs."""
        y = self.conv(x)
        return (self.bn(y) + y).mean((2, 3))


@pytest.mark.parametrize("kind", [Shared, Twice])
def test_a_layer_used_elsewhere_keeps_its_weights(kind: type[nn.Module]) -> None:
    torch.manual_seed(0)
    net, x = lively(kind()), torch.randn(2, 2, 6, 6)
    graph = folded(net)
    assert graph is not None
    with torch.no_grad():
        torch.testing.assert_close(graph(x), net(x))


class Branch(nn.Module):
    """Branches on a value, which no graph can hold."""

    def forward(self, x: Tensor) -> Tensor:
        """Its outputs."""
        return x if x.sum() > 0 else -x


def test_what_cannot_be_followed_is_none() -> None:
    assert folded(nn.Sequential(nn.Linear(2, 2), nn.Sequential(Branch()))) is not None  # a call
    branching = Branch()
    branching.part = nn.ReLU()
    assert folded(branching) is None
    hooked = nn.Sequential(nn.Linear(2, 2))
    hooked[0].register_forward_hook(lambda *_: None)
    assert folded(hooked) is None


def test_statistics_of_the_batch_are_not_folded() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2, track_running_stats=False)).eval()
    x = torch.randn(3, 1, 4, 4)
    graph = folded(net)
    assert graph is not None
    torch.testing.assert_close(graph(x), net(x))
