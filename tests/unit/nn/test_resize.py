"""Fewer and wider layers on a foreign net that still runs."""

import pytest
import torch
from torch import nn

import undertow as ut
from undertow.core.errors import UsageError
from undertow.nn.layout import layout
from undertow.nn.resize import shallower, wider

X = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))


def deep(width: int = 4, layers: int = 6) -> nn.Sequential:
    torch.manual_seed(0)
    parts: list[nn.Module] = [nn.Linear(5, width), nn.Sigmoid()]
    for _ in range(layers - 1):
        parts += [nn.Linear(width, width), nn.Sigmoid()]
    return nn.Sequential(*parts, nn.Linear(width, 3))


def test_layers_go_with_their_activation_and_the_rest_is_kept() -> None:
    net, before = deep(), deep()
    assert shallower(net, layout(net), 3) == ("10", "8", "6")
    assert torch.equal(net(X), before[12](before[:6](X)))


def test_no_layer_that_could_go_is_told() -> None:
    net = nn.Sequential(
        nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 7), nn.ReLU(),
        nn.Linear(7, 3),
    )  # fmt: skip
    with pytest.raises(UsageError, match="no hidden layer could go"):
        shallower(net, layout(net), 1)


def test_every_hidden_layer_grows_by_the_same_factor() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 2),
    )  # fmt: skip
    assert wider(net, layout(net), 12, seed=0) == 3
    shapes = [tuple(p.shape) for p in net.parameters() if p.ndim > 1]
    assert shapes == [(12, 3, 3, 3), (18, 12, 3, 3), (2, 72)]
    assert net(torch.randn(2, 3, 9, 9)).shape == (2, 2)
    assert wider(net, layout(net), 12, seed=0) == 1


def test_layers_that_do_not_follow_one_another_are_told() -> None:
    with pytest.raises(UsageError, match="do not just follow one another"):
        ut.apply(ut.build("cifar_resnet20", seed=0), "wider")
