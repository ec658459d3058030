"""Activation modules equal their facts, and foreign modules find their word."""

import pytest
import torch
from torch import nn

from undertow.core.activation import FACTS
from undertow.core.errors import UsageError
from undertow.core.words import ACTIVATIONS
from undertow.nn.activation import activation, word_of

WORDS = pytest.mark.parametrize("word", ACTIVATIONS)


@WORDS
def test_module_and_its_derivative_equal_the_facts(word: str) -> None:
    x = torch.linspace(-6, 6, 241, dtype=torch.float64).reshape(-1, 1) + 0.013
    x.requires_grad_()
    y = activation(word).double()(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    facts, points = FACTS[word], x.detach().flatten().tolist()
    assert y.flatten().tolist() == pytest.approx([facts.f(v) for v in points], abs=1e-9)
    assert slope.flatten().tolist() == pytest.approx([facts.slope(v) for v in points], abs=1e-9)


@WORDS
def test_derivative_at_zero_is_the_one_torch_uses(word: str) -> None:
    x = torch.zeros(1, 1, dtype=torch.float64, requires_grad=True)
    activation(word).double()(x).sum().backward()
    assert x.grad is not None
    assert float(x.grad) == pytest.approx(FACTS[word].slope(0.0), abs=1e-12)


@WORDS
def test_input_is_left_as_it_was(word: str) -> None:
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    kept = x.clone()
    activation(word, 3)(x)
    assert torch.equal(x, kept)


@WORDS
def test_each_call_makes_a_module_of_its_own(word: str) -> None:
    assert activation(word) is not activation(word)
    assert word_of(activation(word)) == word


def test_prelu_has_a_slope_a_channel() -> None:
    weight = activation("prelu", 7).get_parameter("weight")
    assert weight.tolist() == [0.25] * 7


@pytest.mark.parametrize(
    ("module", "word"),
    [
        (nn.ReLU6(), "relu"),
        (nn.Hardtanh(), "tanh"),
        (nn.Hardsigmoid(), "sigmoid"),
        (nn.CELU(), "elu"),
        (nn.LeakyReLU(0.2), "leaky-relu"),
        (nn.GELU("tanh"), "gelu"),
        (nn.Identity(), ""),
        (nn.Softmax(1), ""),
        (nn.Linear(2, 2), ""),
    ],
    ids=lambda v: type(v).__name__ if isinstance(v, nn.Module) else v,
)
def test_foreign_modules_find_the_nearest_word(module: nn.Module, word: str) -> None:
    assert word_of(module) == word


def test_unknown_word_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean relu"):
        activation("rellu")
