"""`ut.summary` of names, plans and modules."""

import pytest
import torch

import undertow as ut
from undertow.api.summary import summary
from undertow.core.plan import Choices, Plan
from undertow.models import build


def test_a_name_and_its_module_are_counted_alike() -> None:
    by_name = summary("cifar_resnet20", (3, 32, 32))
    by_net = summary(build("cifar_resnet20"), (3, 32, 32))
    assert by_name.rows == by_net.rows
    assert (by_name.name, by_net.name) == ("cifar_resnet20", "CifarResNet")
    assert by_name.parameters == 269_722


def test_the_shape_gives_the_channels() -> None:
    assert summary("resnet18", (1, 64, 64)).rows[0].parameters == 64 * 49


def test_the_deepest_net_is_counted() -> None:
    found = summary("resnet152", (3, 224, 224))
    assert (found.parameters, found.macs) == (60_192_808, 11_513_626_624)


def test_what_the_paper_prints_and_the_other_count_stand_below() -> None:
    text = str(ut.summary("googlenet", (3, 224, 224)))
    assert "with auxiliary heads: 13,004,888 parameters" in text
    assert "conv1: printed 2.7K, 34M (table 1); 9,408, 118.0M" in text
    paper = str(summary(Plan("googlenet", variant="paper"), (3, 224, 224)))
    assert "without auxiliary heads: 6,998,552 parameters" in paper


def test_a_plan_keeps_its_choices() -> None:
    found = summary(Plan("resnet18", Choices(skip="none"), classes=10), (3, 64, 64))
    assert not any("downsample" in row.path for row in found.rows if row.parameters)
    assert found.rows[-1].shape == (1, 10)


def test_nothing_is_drawn() -> None:
    state = torch.get_rng_state()
    summary("alexnet", (3, 224, 224))
    assert torch.equal(torch.get_rng_state(), state)


def test_too_small_an_input_is_told() -> None:
    with pytest.raises(ValueError, match="alexnet needs 63 px"):
        summary("alexnet", (3, 40, 40))
