"""Dead rows are drawn again by He's rule, all other weights are kept to the bit."""

import math

import pytest
import torch
from torch import nn

from undertow.core.errors import UsageError
from undertow.nn.layout import layout
from undertow.nn.revive import BIAS, noise, revive

X = torch.randn(64, 400, generator=torch.Generator().manual_seed(0))


def half_dead() -> nn.Sequential:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Linear(400, 60), nn.ReLU(), nn.Linear(60, 20), nn.ReLU(), nn.Linear(20, 2)
    )
    with torch.no_grad():
        net[0].bias[::2] = -50.0
    return net


def test_dead_rows_alone_are_drawn_again() -> None:
    net, before = half_dead(), half_dead()
    assert revive(net, layout(net), lambda n: n(X), 3) == {"0": 30}
    weight, old = net[0].weight.detach(), before[0].weight.detach()
    assert torch.equal(weight[1::2], old[1::2])
    assert torch.equal(net[0].bias.detach()[1::2], before[0].bias.detach()[1::2])
    assert float(weight[::2].std()) == pytest.approx(math.sqrt(2 / 400), rel=0.03)
    assert net[0].bias.detach()[::2].eq(BIAS).all()
    assert bool((net[:2](X).amax(0) > 0).all())
    assert all(torch.equal(net[i].weight, before[i].weight) for i in (2, 4))


def test_a_living_net_is_left_alone() -> None:
    net = half_dead()
    revive(net, layout(net), lambda n: n(X), 3)
    assert revive(net, layout(net), lambda n: n(X), 4) == {}


def test_inputs_are_made_up_by_the_first_layer() -> None:
    assert noise(half_dead()).shape == (64, 400)
    assert noise(nn.Sequential(nn.Conv1d(5, 2, 3))).shape == (64, 5, 32)
    with pytest.raises(UsageError, match="takes no plain numbers"):
        noise(nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 2)))
