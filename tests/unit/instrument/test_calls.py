"""Which modules and functions count as layers, norms and activations."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from undertow.core.words import ACTIVATIONS, NORMS
from undertow.instrument import calls
from undertow.nn import functional


@pytest.mark.parametrize(
    ("module", "layer"),
    [
        (nn.Linear(2, 2), True),
        (nn.Conv1d(2, 2, 1), True),
        (nn.ConvTranspose2d(2, 2, 1), True),
        (nn.LSTM(2, 2), True),
        (nn.GRUCell(2, 2), True),
        (nn.Bilinear(2, 2, 2), True),
        (nn.MultiheadAttention(4, 2), True),
        (nn.LazyLinear(2), True),
        (nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)), True),
        (nn.Embedding(3, 2), False),
        (nn.EmbeddingBag(3, 2), False),
        (nn.LayerNorm((2, 2)), False),
        (nn.PReLU(3), False),
        (nn.ReLU(), False),
        (nn.Sequential(nn.Linear(2, 2)), False),
        (nn.TransformerEncoderLayer(4, 2, 4), False),
    ],
)
def test_a_layer_is_a_leaf_with_a_weight_matrix(module: nn.Module, layer: bool) -> None:
    assert calls.is_layer(module) is layer


@pytest.mark.parametrize(
    ("module", "word"),
    [
        (nn.BatchNorm2d(2), "batch"),
        (nn.SyncBatchNorm(2), "batch"),
        (nn.GroupNorm(1, 2), "group"),
        (nn.LayerNorm(2), "layer"),
        (nn.RMSNorm(2), "layer"),
        (nn.InstanceNorm1d(2), "instance"),
        (nn.LocalResponseNorm(2), "lrn"),
        (nn.Linear(2, 2), ""),
    ],
)
def test_norm_words(module: nn.Module, word: str) -> None:
    assert calls.norm_word(module) == word
    assert word == "" or word in NORMS


def test_activation_words_of_functions() -> None:
    assert set(functional.ACTIVATIONS.values()) - {""} == set(ACTIVATIONS) - {"identity"}
    named: list[tuple[Any, tuple[Any, ...], dict[str, Any], str | None]] = [
        (F.relu, (), {}, "relu"),
        (torch.relu_, (), {}, "relu"),
        (Tensor.sigmoid, (), {}, "sigmoid"),
        (Tensor.tanh_, (), {}, "tanh"),
        (F.gelu, (), {}, "gelu"),
        (F.hardswish, (), {}, "hard-swish"),
        (torch.clamp, (0, 0), {}, "relu"),
        (Tensor.clamp, (0,), {"min": 0.0}, "relu"),
        (Tensor.clamp_min, (0, 0), {}, "relu"),
        (torch.clamp, (0, 0, 6), {}, None),
        (torch.clamp, (0, 1), {}, None),
        (torch.clamp, (0,), {"max": 0}, None),
        (torch.softmax, (), {}, None),
        (F.dropout, (), {}, None),
    ]
    for func, args, kwargs, word in named:
        assert functional.activation_word(func, args, kwargs) == word, func


@dataclass
class Output:
    """As libraries wrap one."""

    loss: None
    logits: Tensor


def test_the_first_plain_tensor_of_an_output() -> None:
    x = torch.ones(2)
    for value in (
        x,
        (None, x, x * 2),
        [{"a": 3, "b": x}],
        Output(None, x),
        (torch.ones(2, dtype=torch.long), x),
        (torch.zeros(0), x),
    ):
        found = calls.first_tensor(value)
        assert found is not None
        assert torch.equal(found, x)
    packed = nn.utils.rnn.pack_sequence([x, x])
    assert calls.first_tensor(packed) is packed.data
    for nothing in (None, "x", torch.ones(2, dtype=torch.cfloat), torch.ones(2, 2).to_sparse(), {}):
        assert calls.first_tensor(nothing) is None


def test_compiled_and_wrapped_nets_are_known() -> None:
    net = nn.Sequential(nn.Linear(2, 2))
    assert not calls.is_compiled(net)
    assert calls.unwrapped(nn.DataParallel(net)) is net
    wrapped = torch.compile(net, backend="eager")
    assert calls.is_compiled(wrapped)
    assert calls.unwrapped(wrapped) is net
