"""A remedy on a copy of any module: the place it belongs, and nothing else."""

import warnings
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

import undertow as ut
from undertow.core.errors import UsageError
from undertow.remedies import REMEDIES


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


class _Sequence(nn.Module):
    """Takes (N, T, features): a recurrent layer first, or attention."""

    def __init__(self, attends: bool) -> None:
        super().__init__()
        self.into = nn.Linear(6, 16) if attends else nn.LSTM(6, 16, batch_first=True)
        self.mix = nn.MultiheadAttention(16, 2, batch_first=True) if attends else None
        self.between = nn.Linear(16, 16)
        self.head = nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.into(x) if self.mix else self.into(x)[0]
        x = x + self.mix(x, x, x, need_weights=False)[0] if self.mix else x
        return self.head(torch.relu(self.between(x)).mean(1))


@pytest.mark.parametrize("attends", [True, False], ids=["attention", "lstm"])
@pytest.mark.parametrize("word", [r.name for r in REMEDIES])
def test_a_net_of_sequences_is_changed_or_the_word_is_refused(word: str, attends: bool) -> None:
    x = torch.randn(4, 5, 6)
    try:
        with warnings.catch_warnings(action="ignore"):
            made = ut.apply(_Sequence(attends), word)
    except UsageError:
        return  # a word without a place in this net, said
    assert made(x).shape == (4, 3)


def test_parametrised_nets_are_left_as_they_are_and_take_norms() -> None:
    spectral, weight = parametrizations.spectral_norm, parametrizations.weight_norm
    net = nn.Sequential(
        weight(nn.Linear(9, 12)),
        nn.ReLU(),
        spectral(nn.Linear(12, 12)),
        nn.ReLU(),
        nn.Linear(12, 3),
    )
    before = {k: v.clone() for k, v in net.state_dict().items()}
    for word in ("he-init", "batch-norm", "lsuv-init", "reset-bias"):
        assert ut.apply(net, word)(torch.randn(4, 9)).shape == (4, 3)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


@pytest.mark.parametrize(
    ("net", "remedy", "says"),
    [
        (nn.Sequential(nn.LazyLinear(4), nn.ReLU()), "relu", "lazy layers"),
        (None, "relu", "is no network"),
        (nn.Linear(2, 2), None, "is none; give a word"),
    ],
)
def test_what_cannot_be_changed_says_so(net: Any, remedy: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        ut.apply(net, remedy)


def pictures() -> nn.Module:
    torch.manual_seed(1)
    convs = (nn.Conv2d(2, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 5, 3), nn.ReLU())
    return nn.Sequential(*convs, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3))


@pytest.mark.parametrize(("net", "shape"), [(sick(), (32, 4)), (pictures(), (16, 2, 6, 6))])
@pytest.mark.parametrize("train", [True, False], ids=["training", "evaluation"])
def test_with_data_a_norm_keeps_the_function(
    net: nn.Module, shape: tuple[int, ...], train: bool
) -> None:
    x = 3 * torch.randn(shape, generator=torch.Generator().manual_seed(1)) + 1
    before = {k: v.clone() for k, v in net.state_dict().items()}
    kept, anew = ut.apply(net, "batch-norm", data=(x, None)), ut.apply(net, "batch-norm")
    assert sum(isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) for m in kept.modules()) == 2
    wanted = net.train(train)(x)
    assert torch.allclose(kept.train(train)(x), wanted, atol=1e-5)
    assert not torch.allclose(anew.train()(x), wanted, atol=1e-2)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


def test_data_that_are_no_inputs_are_refused() -> None:
    with pytest.raises(UsageError, match="data of type str are no inputs"):
        ut.apply(sick(), "batch-norm", data="digits")  # type: ignore[arg-type]
