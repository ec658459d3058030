"""What the famous nets cost: the nets compute, memory is counted, times are ratios of a round."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from undertow.core.errors import UsageError
from undertow.studies import study
from undertow.studies.measures import famous

PARAMETERS = {"alexnet": 61_100_840, "resnet18": 11_689_512, "vgg19": 143_667_240}  # published


@pytest.mark.parametrize("name", ["alexnet", "resnet18"])
def test_made_up_weights_keep_a_signal(name: str) -> None:
    net = famous.filled(name)
    x = torch.randn(1, *famous.SHAPE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        out = net(x)
    assert out.shape == (1, 1000)
    assert bool(out.isfinite().all())
    assert float(out.abs().min()) > torch.finfo(torch.float32).tiny  # subnormals are slow
    assert not net.training


@pytest.mark.parametrize("name", PARAMETERS)
def test_weights_are_the_published_count(name: str) -> None:
    assert famous.memory(name)[1] == 4 * PARAMETERS[name]


def test_saved_is_what_autograd_keeps_of_one_image() -> None:
    first, second, third = 64 * 27 * 27, 192 * 13 * 13, 256 * 6 * 6  # outputs of the pools
    relu = [64 * 55 * 55, 192 * 27 * 27, 384 * 13 * 13, 256 * 13 * 13, 256 * 13 * 13, 4096, 4096]
    inputs = [3 * 224 * 224, first, second, third]  # of convolutions and of the mean pool
    dropout = [third, third, 4096, 4096]  # what it scales by, and what it puts out
    places = first + second + third  # of the largest, 8 bytes each
    kept = 4 * (sum(relu) + sum(inputs) + sum(dropout)) + 8 * places
    assert famous.memory("alexnet")[0] == kept


def test_a_time_is_the_median_of_the_rounds_ratios(monkeypatch: pytest.MonkeyPatch) -> None:
    spent = iter([1.0, 9.0, 2.0, 4.0, 1.0, 3.0])  # ResNet-18, AlexNet, in three rounds

    def seconds(net: nn.Module, x: Tensor) -> float:
        return next(spent)

    monkeypatch.setattr(famous, "seconds", seconds)
    one = study("pareto")
    arm = next(a for a in one.vary if a.label == "AlexNet")
    found = famous.bill(one.cell(arm, 0))
    assert found["time"] == 3.0
    assert found["ms"] == 4000.0
    assert found["top1"] == 56.522


def test_a_net_without_a_published_accuracy_is_refused() -> None:
    one = study("pareto").cell(study("pareto").vary[0], 0)
    with pytest.raises(UsageError, match="no published top-1"):
        famous.bill(replace(one, given=(("net", "mlp"),)))
