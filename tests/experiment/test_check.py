"""The check on real digits: each planted fault is named with its first cause; healthy stays so."""

from functools import cache, partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn, optim

import undertow as ut
from undertow.data import load
from undertow.report.report import Report

RATE = 0.02
BATCH = 64
BUDGET = 90.0  # seconds; far above what is needed, so that a busy machine changes nothing


@cache
def digits() -> tuple[Tensor, Tensor, Tensor]:
    """Raw pixels of 0 to 255, the same standardised, labels: one batch."""
    data = load("digits")
    standard = (data.x - data.x.mean()) / data.x.std()
    return data.x[:BATCH] * 255 / 16, standard[:BATCH], data.y[:BATCH]


def conv(depth: int, act: str, init: str, **given: Any) -> nn.Module:
    pools = tuple(p for p in (4, 8) if p < depth)
    return ut.build(
        "conv", depth=depth, pool_at=pools, act=act, init=init, in_channels=1, classes=10, **given
    )


def negative(net: nn.Module) -> nn.Module:
    """The net with every convolution's bias at −3."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and module.bias is not None:
            nn.init.constant_(module.bias, -3.0)
    return net


def look(net: nn.Module, lr: float = RATE, raw: bool = False) -> Report:
    pixels, standard, y = digits()
    make = partial(optim.SGD, lr=lr, momentum=0.9)
    return ut.check(net, (pixels if raw else standard, y), optimizer=make, budget_s=BUDGET)


SICK: dict[str, tuple[Any, dict[str, Any], str, str]] = {
    "sigmoid, Xavier, 12 layers": (
        lambda: conv(12, "sigmoid", "xavier"), {}, "vanishing", "activation",
    ),
    "weights of 0.01": (lambda: conv(12, "relu", "normal:0.01"), {}, "vanishing", "initialisation"),
    "weights of 1": (lambda: conv(12, "relu", "normal:1"), {}, "exploding", "initialisation"),
    "rate × 100": (lambda: conv(8, "relu", "he"), {"lr": 2.0}, "lr-high", "learning-rate"),
    "rate × 0.001": (lambda: conv(8, "relu", "he"), {"lr": 2e-5}, "lr-low", "learning-rate"),
    "pixels of 0 to 255": (
        lambda: conv(8, "relu", "he"), {"raw": True}, "input-scale", "input-scale",
    ),
    "biases of −3": (lambda: negative(conv(8, "relu", "he")), {}, "dead", "bias"),
}  # fmt: skip


@pytest.mark.parametrize("name", SICK)
def test_a_planted_fault_is_named_with_its_cause(name: str) -> None:
    build, given, mechanism, cause = SICK[name]
    report = look(build(), **given)
    assert not report.healthy
    assert report.mechanism == mechanism
    assert report.causes[0].name == cause
    assert report.causes[0].standing == "supported"
    assert report.remedies
    assert all(len(e.why) < 200 for e in report.record.experiments)


HEALTHY = {
    "ReLU, He, 8 layers": lambda: conv(8, "relu", "he"),
    "ReLU, He, batch norm, 8 layers": lambda: conv(8, "relu", "he", norm="batch"),
    "residual, 12 layers": lambda: conv(12, "relu", "he", norm="batch", skip="projection"),
    "mlp": lambda: ut.build(
        "mlp", depth=3, width=64, act="relu", init="he", in_channels=64, classes=10
    ),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_net_that_learns_is_healthy(name: str) -> None:
    report = look(HEALTHY[name]())
    assert report.healthy
    assert (report.mechanism, report.symptoms, report.causes) == ("healthy", (), ())


def test_the_answer_is_the_same_twice_and_on_any_number_of_threads() -> None:
    one = look(conv(8, "relu", "he"))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        two = look(conv(8, "relu", "he"))
    finally:
        torch.set_num_threads(before)
    assert one.record.one_batch == two.record.one_batch
    assert one.record.snapshots == two.record.snapshots
