"""Keys, order, shapes, counts, outputs and gradients of the published nets; mutants are seen.

One case for each file of the parity data: the rule is followed, not the list.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from undertow.core.plan import Choices, Plan
from undertow.models import blueprint
from undertow.nn.count import count

from .parity import (
    LOGITS,
    LOSS,
    difference,
    differences,
    filled,
    gradients,
    heads,
    logits,
    read,
    rule,
)


def test_keys_shapes_and_counts(parity: Path, listed: str) -> None:
    wanted = read(parity, "models", listed)
    net = blueprint(Plan(listed, Choices(aux=heads(listed))))
    found = {key: list(value.shape) for key, value in net.state_dict().items()}
    assert list(found.items()) == list(wanted["keys"].items())
    counted = count(net, (3, *wanted["input_size"]))
    assert counted.parameters == wanted["parameters"]
    assert counted.macs == wanted["multiply_adds"]


def test_keys_without_heads(parity: Path, listed: str) -> None:
    wanted = read(parity, "models", listed)
    keys = blueprint(Plan(listed, Choices(aux=0))).state_dict().keys()
    assert len(keys) == wanted.get("keys_without_aux", len(wanted["keys"]))
    assert list(keys) == [key for key in wanted["keys"] if not key.startswith(("aux", "AuxLogits"))]


def test_outputs_and_gradients(parity: Path, golden: str) -> None:
    gain = read(parity, "golden", golden)["gain"]
    net = filled(parity, golden, gain)
    far = {run: d for run, d in differences(parity, net, golden) if not d <= LOGITS}
    assert not far
    loss, norms = gradients(parity, net, golden)
    assert loss <= LOSS
    assert not norms


@pytest.mark.parametrize(
    "name", ["googlenet", pytest.param("inception_v3", marks=pytest.mark.slow)]
)
def test_without_heads_the_logits_are_the_same(parity: Path, name: str) -> None:
    data = read(parity, "golden", name)
    wanted = data["outputs"]["eval_no_aux"]
    net = filled(parity, name, data["gain"], aux=0)
    x = rule(parity).images(tuple(wanted["input"]))
    assert difference(logits(net, x, "eval_no_aux", "logits"), wanted) <= LOGITS


def leaky_stem(net: Any) -> None:
    net.act = nn.LeakyReLU(0.01)


def epsilon(net: nn.Module) -> None:
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-5


def floor_pools(net: nn.Module) -> None:
    for module in net.modules():
        if isinstance(module, nn.MaxPool2d):
            module.ceil_mode = False


def louder(key: str) -> Callable[[nn.Module], None]:
    def change(net: nn.Module) -> None:
        with torch.no_grad():
            net.state_dict()[key].mul_(1.01)

    return change


MUTANTS = {  # net, change, the run it is seen in, and how far the logits move at least
    "leaky stem": ("resnet18", leaky_stem, "eval_224x224", 0.0015),
    "eps": ("googlenet", epsilon, "eval_224x224", 0.015),
    "floor pools": ("googlenet", floor_pools, "eval_192x160", 0.1),
    "a norm's bias": ("resnet18", louder("layer1.0.bn1.bias"), "eval_224x224", LOGITS),
    "the last bias": ("alexnet", louder("classifier.6.bias"), "eval_224x224", LOGITS),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_planted_mutant_is_seen(parity: Path, mutant: str) -> None:
    name, change, run, least = MUTANTS[mutant]
    data = read(parity, "golden", name)
    net = filled(parity, name, data["gain"])
    change(net)
    wanted = data["outputs"][run]
    x = rule(parity).images(tuple(wanted["input"]))
    assert difference(logits(net, x, run, "logits"), wanted) > least


def test_the_stride_of_the_paper_is_seen(parity: Path) -> None:
    data = read(parity, "golden", "resnet50")
    net = filled(parity, "resnet50", data["gain"], variant="paper")
    wanted = data["outputs"]["eval_224x224"]
    x = rule(parity).images((224, 224))
    assert difference(logits(net, x, "eval_224x224", "logits"), wanted) > 0.1
