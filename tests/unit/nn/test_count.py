"""Multiply-adds by closed form, on meta, whatever the layer is."""

import pytest
import torch
from torch import nn

from undertow.nn.count import Count, count, parameters

CASES = [
    (nn.Conv2d(6, 8, 3, padding=1), (6, 10, 12), 8 * 10 * 12 * 6 * 9),
    (nn.Conv2d(6, 8, 3, stride=2, groups=2), (6, 11, 11), 8 * 5 * 5 * 3 * 9),
    (nn.Conv2d(6, 6, (1, 7), groups=6), (6, 9, 9), 6 * 9 * 3 * 7),
    (nn.Conv1d(2, 3, 5), (2, 20), 3 * 16 * 2 * 5),
    (nn.ConvTranspose2d(4, 6, 2, stride=2), (4, 5, 5), 25 * 4 * 6 * 4),
    (nn.Linear(7, 9), (7,), 63),
    (nn.Linear(7, 9), (5, 7), 5 * 63),
]


@pytest.mark.parametrize(("layer", "shape", "macs"), CASES)
def test_layers_by_closed_form(layer: nn.Module, shape: tuple[int, ...], macs: int) -> None:
    wanted = Count(sum(p.numel() for p in layer.parameters()), macs)
    assert count(layer, shape) == wanted
    assert count(layer.to("meta"), shape) == wanted


def test_a_shared_layer_counts_weights_once_and_work_twice() -> None:
    layer = nn.Linear(4, 4)
    assert count(nn.Sequential(layer, nn.ReLU(), layer), (4,)) == Count(20, 32)


def test_norms_pools_and_frozen_weights() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.MaxPool2d(2))
    assert count(net, (3, 4, 4)) == Count(12 + 4 + 8, 16 * 12)
    net[0].requires_grad_(False)
    assert parameters(net) == 8


def test_counting_changes_nothing() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    before = {k: v.clone() for k, v in net.state_dict().items()}
    net[1].eval()
    count(net, (3, 4, 4))
    assert net.training
    assert not net[1].training
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert not any(m._forward_hooks for m in net.modules())
