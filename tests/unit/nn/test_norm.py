"""Norms normalise over the right axes, and LRN is its formula in both readings."""

import pytest
import torch
from torch import Tensor, nn

from undertow.core.errors import UsageError
from undertow.nn.norm import factory, groups_for, local_response_norm, norm, word_of

MAPS = ("batch", "group", "layer", "instance")
FEATURES = ("batch", "group", "layer")


def maps() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(8, 12, 5, 5, generator=generator) * 3 + 2


@pytest.mark.parametrize(
    ("word", "axes"), [("batch", (0, 2, 3)), ("instance", (2, 3)), ("layer", (1, 2, 3))]
)
def test_maps_have_mean_0_and_variance_1_over_the_axes(word: str, axes: tuple[int, ...]) -> None:
    y = norm(word, 12)(maps())
    assert y.mean(axes).abs().max() < 1e-5
    assert (y.var(axes, correction=0) - 1).abs().max() < 1e-3


def test_group_norm_normalises_each_group() -> None:
    module = norm("group", 64)
    assert isinstance(module, nn.GroupNorm)
    assert module.num_groups == 32
    y = module(torch.randn(3, 64, 4, 4, generator=torch.Generator().manual_seed(0)))
    assert y.reshape(3, 32, -1).mean(2).abs().max() < 1e-5


@pytest.mark.parametrize("word", MAPS)
def test_every_norm_has_a_scale_and_a_shift_a_channel(word: str) -> None:
    shapes = {name: tuple(p.shape) for name, p in norm(word, 12).named_parameters()}
    assert shapes == {"weight": (12,), "bias": (12,)}


@pytest.mark.parametrize(("channels", "groups"), [(64, 32), (48, 24), (16, 16), (37, 1), (1, 1)])
def test_groups_are_the_largest_divisor_up_to_32(channels: int, groups: int) -> None:
    assert groups_for(channels) == groups


@pytest.mark.parametrize("word", FEATURES)
@pytest.mark.parametrize("channels", [1, 8, 16, 37, 256])
def test_features_keep_their_signal(word: str, channels: int) -> None:
    x = torch.randn(16, channels, generator=torch.Generator().manual_seed(0))
    y = norm(word, channels, maps=False)(x)
    assert y.shape == x.shape
    if word == "batch" or channels > 1:  # one value a group is its own mean
        assert y.std() > 0.5


def test_features_cannot_be_normalised_by_instance() -> None:
    with pytest.raises(UsageError, match="choose none, batch, group or layer"):
        factory("instance", maps=False)


def test_words_without_a_shift_have_no_factory() -> None:
    assert factory("none") is None
    assert factory("lrn") is None
    assert isinstance(norm("none", 3), nn.Identity)
    assert word_of(norm("lrn", 3)) == "lrn"


def test_epsilon_is_passed_on() -> None:
    assert [norm(word, 4, eps=1e-3).eps for word in MAPS] == [1e-3] * 4


@pytest.mark.parametrize("over", ["sum", "mean"])
def test_lrn_is_its_formula(over: str) -> None:
    size, alpha, beta, k = 5, 1e-2, 0.75, 2.0
    x = maps().double()
    share = alpha if over == "sum" else alpha / size
    wanted = torch.empty_like(x)
    for i in range(12):
        window = x[:, max(0, i - 2) : i + 3]
        wanted[:, i] = x[:, i] / (k + share * (window**2).sum(1)) ** beta
    found = local_response_norm(size, alpha, beta, k, over=over)(x)
    assert (found - wanted).abs().max() < 1e-9


def test_lrn_of_the_2012_paper_is_its_own_default() -> None:
    module = local_response_norm()
    assert isinstance(module, nn.LocalResponseNorm)
    assert (module.size, module.beta, module.k) == (5, 0.75, 2)
    assert module.alpha == pytest.approx(5e-4)
    with pytest.raises(UsageError, match="sum or mean"):
        local_response_norm(over="channels")


@pytest.mark.parametrize("word", ["none", *MAPS, "lrn"])
def test_words_are_found_again(word: str) -> None:
    assert word_of(norm(word, 6)) == ("" if word == "none" else word)


@pytest.mark.parametrize(
    ("module", "word"),
    [(nn.LayerNorm(4), "layer"), (nn.BatchNorm1d(4), "batch"), (nn.Linear(2, 2), "")],
    ids=["LayerNorm", "BatchNorm1d", "Linear"],
)
def test_foreign_norms_find_their_word(module: nn.Module, word: str) -> None:
    assert word_of(module) == word


def test_unknown_word_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="norm='bach' is unknown"):
        norm("bach", 3)
