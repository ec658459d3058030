"""Counts and identities against published numbers and formulas."""

import pytest
from torch import nn

from undertow.core.errors import UsageError
from undertow.core.plan import Choices, Plan
from undertow.studies.measures import convs, facts
from undertow.studies.study import Cell

PUBLISHED = {  # the checkpoints' own counts
    "AlexNet: parameters": 61_100_840,
    "VGG-16: parameters": 138_357_544,
    "ResNet-50: parameters": 25_557_032,
    "ResNet-152: parameters": 60_192_808,
    "GoogLeNet: parameters": 6_624_904,
    "two 3x3 at 256: weights": 1_179_648,
    "bottleneck 256-64-64-256: weights": 69_632,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_counts(name: str) -> None:
    assert facts.ALL[name]() == PUBLISHED[name]


def test_fields_by_the_support_of_the_gradient() -> None:
    assert facts.field((facts.conv(3), facts.conv(3), facts.conv(3))) == 7
    assert facts.field((nn.Conv2d(1, 1, 3, 2, 1, bias=False), facts.conv(3))) == 7  # 3 + 2·2


def test_a_pool_sends_gradient_to_one_place_a_window() -> None:
    assert facts.pooled_share(2, 2) == 0.25
    assert facts.pooled_share(3, 3) == pytest.approx(1 / 9)


def test_the_module_counts_as_the_formula_does() -> None:
    assert facts.module_macs() == facts.reduced_macs(True)
    assert facts.reduced_macs(False) / facts.module_macs() == pytest.approx(2.37, abs=0.005)


def test_an_unknown_fact_is_told() -> None:
    with pytest.raises(UsageError, match="fact"):
        facts.fact(Cell("AlexNet: colour", Plan("mlp"), (), "none", 0))


def test_a_feature_part_without_pools_keeps_its_size() -> None:
    cell = Cell("a", Plan("vgg11", Choices(init="he-normal")), (("pools", False),), "normal", 0)
    part = convs._feature_part(cell)
    assert not [m for m in part.modules() if isinstance(m, nn.MaxPool2d)]
