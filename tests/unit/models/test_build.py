"""Building is deterministic, local, and the same by name and by plan."""

import copy
import pickle
import random

import numpy as np
import pytest
import torch

from undertow.core.errors import UsageError
from undertow.core.plan import Choices, Plan
from undertow.models import CARDS, blueprint, build, build_plan, card, cards, plan_of


def test_cards_have_names_of_their_own() -> None:
    names = [c.name for c in cards()]
    assert len(set(names)) == len(names) == len(CARDS)
    assert all(card(name).name == name for name in names)


def test_cards_pickle() -> None:
    for held in CARDS:
        assert pickle.loads(pickle.dumps(held)).name == held.name


def test_an_unknown_model_names_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"model='vgg-11' is unknown \(did you mean vgg11\?\)"):
        build("vgg-11")


def test_random_states_are_neither_read_nor_changed() -> None:
    first = build("conv", depth=2, seed=3).state_dict()
    torch.manual_seed(99)
    random.seed(99)
    np.random.seed(99)  # noqa: NPY002
    states = torch.get_rng_state(), random.getstate(), str(np.random.get_state(legacy=True))  # noqa: NPY002
    build("mlp", depth=2)
    second = build("conv", depth=2, seed=3).state_dict()
    assert all(torch.equal(v, second[k]) for k, v in first.items())
    assert torch.equal(states[0], torch.get_rng_state())
    assert random.getstate() == states[1]
    assert states[2] == str(np.random.get_state(legacy=True))  # noqa: NPY002


def test_seeds_make_different_nets() -> None:
    one, two = (build("conv", depth=2, seed=s).get_parameter("head.weight") for s in (0, 1))
    assert not torch.equal(one, two)


def test_choices_share_draws() -> None:
    base = dict(build("conv", depth=4).named_parameters())
    for changed in ({"act": "sigmoid"}, {"norm": "batch"}, {"skip": "projection"}, {"depth": 6}):
        given = {"depth": 4, **changed}
        other = dict(build("conv", **given).named_parameters())  # type: ignore[arg-type]
        for key in ("layers.0.conv.weight", "layers.3.conv.weight", "head.weight", "head.bias"):
            assert torch.equal(base[key], other[key]), (changed, key)


def test_by_name_and_by_plan_are_one_net() -> None:
    plan = Plan("conv", Choices(act="gelu", init="he"), (("depth", 3),), classes=4, seed=7)
    one = build_plan(plan).state_dict()
    two = build("conv", act="gelu", init="he", depth=3, classes=4, seed=7).state_dict()
    assert list(one) == list(two)
    assert all(torch.equal(v, two[k]) for k, v in one.items())


def test_what_is_not_given_is_left_open() -> None:
    assert plan_of("vgg11", act=None, seed=None) == plan_of("vgg11")
    with pytest.raises(UsageError, match="option of vgg11='deapth' is unknown; choose act"):
        build("vgg11", deapth=3)


def test_a_new_net_trains_on_the_default_device() -> None:
    net = build("conv", depth=2)
    assert net.training
    assert {p.device for p in net.parameters()} == {torch.get_default_device()}
    assert all(p.requires_grad and p.is_leaf for p in net.parameters())
    assert {p.device.type for p in blueprint(Plan("conv")).parameters()} == {"meta"}


def test_nets_copy_and_pickle_without_hooks() -> None:
    net = build("conv", depth=3, skip="projection", norm="batch", aux=True)
    x = torch.zeros(2, 1, 8, 8)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(other(x), net(x))
        assert not any(m._forward_hooks for m in other.modules())
