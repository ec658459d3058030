"""Features of a stage are what a forward pass computes there; the net is left as it was."""

import pytest
import torch
from torch import nn

from undertow.core.errors import UsageError
from undertow.core.plan import Choices, Plan
from undertow.models import CARDS, Card, blueprint, build, card
from undertow.models.features import features, stages

SEEN: dict[str, dict[str, tuple[int, tuple[int, ...]]]] = {  # net -> stage -> channels, stride
    "alexnet": {
        "conv1": (64, (8,)),
        "conv3": (384, (16,)),
        "conv5": (256, (32,)),
        "fc7": (4096, ()),
    },
    "vgg16": {"conv1": (64, (2,)), "conv5": (512, (32,)), "fc6": (4096, ())},
    "vgg11_lrn": {"conv1": (64, (2,)), "conv5": (512, (32,))},
    "googlenet": {"stem": (192, (8,)), "3": (480, (8,)), "4": (832, (16,)), "5": (1024, (32,))},
    "inception_v3": {"stem": (192, (8,)), "5": (288, (8,)), "6": (768, (16,)), "7": (2048, (32,))},
    "resnet50": {"stem": (64, (4,)), "layer2": (512, (8,)), "layer4": (2048, (32,))},
    "cifar_resnet20": {"stem": (16, (1,)), "layer3": (64, (4,))},
}


@pytest.mark.parametrize("name", SEEN)
def test_channels_and_strides_of_stages(name: str) -> None:
    net = blueprint(Plan(name))
    x = torch.zeros(2, *card(name).input, device="meta")
    for stage, wanted in SEEN[name].items():
        found = features(net, x, stage)
        assert (found.channels, found.stride) == wanted
        assert found.map.shape[:2] == (2, wanted[0])


@pytest.mark.parametrize("found", [c for c in CARDS if c.stages], ids=lambda c: c.name)
def test_the_stages_of_a_card_are_those_of_its_net(found: Card) -> None:
    for chosen in (Choices(), Choices(act="prelu", norm="batch")):
        net = blueprint(Plan(found.name, chosen))
        ends = stages(net)
        assert tuple(ends) == found.stages
        modules = [path for path, _ in net.named_modules()]
        order = [modules.index(path) for path in ends.values()]
        assert order == sorted(order)


def test_features_are_those_of_the_pass_and_carry_gradients() -> None:
    net = build("cifar_resnet20").eval()
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0), requires_grad=True)
    kept: list[torch.Tensor] = []
    handle = net.get_submodule("layer2").register_forward_hook(lambda m, a, o: kept.append(o))
    net(x)
    handle.remove()
    found = features(net, x, "layer2")
    assert torch.equal(found.map, kept[0])
    found.map.sum().backward()
    assert x.grad is not None
    assert not any(m._forward_hooks for m in net.modules())
    assert not hasattr(x, "_undertow_field")


def test_layers_behind_the_stage_do_not_run() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Linear(99, 1))
    assert features(net, torch.zeros(1, 1, 5, 5), "0").channels == 2


def test_what_is_no_stage_is_told() -> None:
    with pytest.raises(UsageError, match=r"did you mean layer4\?\); choose stem, layer1"):
        features(blueprint(Plan("resnet18")), torch.zeros(1), "layer5")
    with pytest.raises(UsageError, match="choose 0 or 1"):
        features(nn.Sequential(nn.ReLU(), nn.ReLU()), torch.zeros(1, 1), "2")
    net = blueprint(Plan("googlenet", Choices(aux=2)))
    with pytest.raises(UsageError, match=r"aux1\.fc2 did not run"):
        features(net, torch.zeros(1, 3, 64, 64, device="meta"), "aux1.fc2")
