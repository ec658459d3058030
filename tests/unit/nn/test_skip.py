"""Shortcuts: what passes, what is padded, what is counted, and blocks that start as identity."""

import pytest
import torch
from torch import Tensor, nn

from undertow.core.errors import UsageError
from undertow.core.plan import Choices
from undertow.core.words import SKIPS as WORDS
from undertow.nn.recipe import Recipe, recipe
from undertow.nn.skip import SKIPS, skip, zero_gamma


def made(norm: str = "batch", maps: bool = True) -> Recipe:
    return recipe(Choices(act="relu", norm=norm, skip="none", dropout=0.0), maps=maps)


def numbered() -> Tensor:
    return torch.arange(2 * 4 * 6 * 6, dtype=torch.float32).reshape(2, 4, 6, 6) + 1


def test_every_word_has_a_strategy() -> None:
    assert set(SKIPS) == set(WORDS)
    assert [SKIPS[w].residual for w in WORDS] == [w != "none" for w in WORDS]


def test_zero_pad_subsamples_and_splits_its_zeros_evenly() -> None:
    x = numbered()
    y = skip("zero-pad").shortcut(4, 8, 2, made())(x)
    assert y.shape == (2, 8, 3, 3)
    assert torch.equal(y[:, 2:6], x[:, :, ::2, ::2])
    assert not y[:, :2].any()
    assert not y[:, 6:].any()


def test_zero_pad_of_features_keeps_them() -> None:
    x = torch.ones(2, 3)
    y = skip("zero-pad").shortcut(3, 6, 1, made(maps=False))(x)
    assert y.tolist() == [[0, 1, 1, 1, 0, 0]] * 2


@pytest.mark.parametrize("word", ["zero-pad", "projection"])
def test_equal_shapes_pass_unchanged(word: str) -> None:
    x = numbered()
    shortcut = skip(word).shortcut(4, 4, 1, made())
    assert torch.equal(shortcut(x), x)
    assert not list(shortcut.parameters())


@pytest.mark.parametrize(("norm", "count"), [("batch", 4 * 8 + 16), ("none", 4 * 8 + 8)])
def test_a_projection_is_a_1x1_convolution_and_the_norm(norm: str, count: int) -> None:
    for word, c_out in (("projection", 8), ("all-projection", 8)):
        shortcut = skip(word).shortcut(4, c_out, 2, made(norm))
        assert shortcut(numbered()).shape == (2, 8, 3, 3)
        assert sum(p.numel() for p in shortcut.parameters()) == count


def test_all_projection_projects_equal_shapes_too() -> None:
    assert list(skip("all-projection").shortcut(4, 4, 1, made()).parameters())
    linear = skip("all-projection").shortcut(4, 4, 1, made(maps=False))
    assert linear(torch.ones(3, 4)).shape == (3, 4)


@pytest.mark.parametrize("word", WORDS)
def test_a_zero_branch_leaves_the_shortcut_or_nothing(word: str) -> None:
    x = numbered()
    y = skip(word).join()(x, torch.zeros_like(x))
    assert torch.equal(y, torch.zeros_like(x) if word == "none" else x)


def test_unknown_word_is_refused() -> None:
    with pytest.raises(UsageError, match="skip='residual' is unknown"):
        skip("residual")


class PostActivation(nn.Module):
    """He et al. 2016, fig. 2, as a ResNet block declares itself."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.bn = nn.BatchNorm2d(4)

    def branch_end(self) -> nn.Module:
        """The norm behind the last convolution."""
        return self.bn

    def forward(self, x: Tensor) -> Tensor:
        """Addition, then the activation."""
        return torch.relu(x + self.bn(self.conv(x)))


def test_zero_gamma_makes_blocks_start_as_identity() -> None:
    net = nn.Sequential(PostActivation(), nn.Conv2d(4, 4, 1), PostActivation())
    assert zero_gamma(net) == ("0.bn", "2.bn")
    x = numbered()
    assert torch.equal(net.get_submodule("0")(x), x)
    assert net.get_parameter("1.weight").any()
