"""A remedy on a copy of any module: the place it belongs, and nothing else."""

import pytest
import torch
from torch import nn

import undertow as ut


def sick() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(4, 8), nn.Sigmoid(), nn.Linear(8, 8), nn.Sigmoid(), nn.Linear(8, 3)
    )


def test_the_given_net_is_never_changed() -> None:
    net, before = sick(), sick().state_dict()
    ut.apply(net, "batch-norm")
    assert [type(m) for m in net] == [type(m) for m in sick()]
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


def test_a_norm_stands_behind_each_hidden_layer_and_not_behind_the_head() -> None:
    norms = [
        p for p, m in ut.apply(sick(), "batch-norm").named_modules() if "BatchNorm" in str(type(m))
    ]
    assert norms == ["0.1", "2.1"]


def test_relu_replaces_every_activation_and_draws_the_fitting_init() -> None:
    net = ut.apply(sick(), "relu")
    assert [type(m).__name__ for m in net] == ["Linear", "ReLU", "Linear", "ReLU", "Linear"]
    wide = nn.Sequential(nn.Linear(400, 400), nn.Sigmoid(), nn.Linear(400, 3))
    std = float(ut.apply(wide, "relu")[0].weight.detach().std())  # type: ignore[index]
    assert std == pytest.approx((2 / 400) ** 0.5, rel=0.02)  # He et al. 2015, eq. 10


def test_reset_bias_keeps_the_weights() -> None:
    net, made = sick(), ut.apply(sick(), "reset-bias")
    assert torch.equal(net[0].weight, made[0].weight)  # type: ignore[index]
    assert not made[0].bias.any()  # type: ignore[index]


def test_a_remedy_of_the_training_is_refused_in_words() -> None:
    with pytest.raises(ut.UndertowError, match="lower-lr changes lr"):
        ut.apply(sick(), "lower-lr")
    with pytest.raises(ut.UndertowError, match="did you mean batch-norm"):
        ut.apply(sick(), "batchnorm")
