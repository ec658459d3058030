"""Same outputs as torchvision's classes with weights copied across, and the same facts of files."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from undertow.models import CARDS, build, card
from undertow.models.weights import WEIGHTS, Weights
from undertow.nn.count import count

NAMES = [c.name for c in CARDS if "imagenet" in c.weights or "imagenet-v2" in c.weights]
HEADS = {"googlenet": 2, "inception_v3": 1}
CLOSE = 1e-6  # of the logits' standard deviation: sums of the same terms in the same order
SIDE = {"inception_v3": 299}  # px, for its head; 96 elsewhere


def pair(torchvision: Any, name: str) -> tuple[Any, Any]:
    """Our net and torchvision's, with our weights; both with all auxiliary heads."""
    given = {"aux_logits": True, "init_weights": False} if name in HEADS else {}
    with torch.device("meta"):
        theirs = getattr(torchvision.models, name)(weights=None, **given)
    ours = build(name, aux=HEADS.get(name, 0), init="he-normal", seed=1)
    assert list(theirs.state_dict()) == list(ours.state_dict())
    theirs = theirs.to_empty(device="cpu")
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def far(one: Tensor, two: Tensor) -> float:
    return float((one - two).abs().max() / two.std())


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_equal(torchvision: Any, name: str) -> None:
    ours, theirs = (net.eval() for net in pair(torchvision, name))
    side = SIDE.get(name, 96)
    x = torch.randn(2, 3, side, side + 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert far(ours(x), theirs(x)) <= CLOSE


@pytest.mark.parametrize("name", HEADS)
def test_heads_are_equal_in_training(torchvision: Any, name: str) -> None:
    ours, theirs = pair(torchvision, name)
    for net in (ours, theirs):
        for module in net.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
    side = SIDE.get(name, 96)
    x = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found, wanted = ours.train().forward_aux(x), theirs.train()(x)
    assert far(found.logits, wanted.logits) <= 10 * CLOSE
    if name == "googlenet":
        assert far(found.aux["aux1"], wanted.aux_logits1) <= 10 * CLOSE
        assert far(found.aux["aux2"], wanted.aux_logits2) <= 10 * CLOSE
    else:
        assert far(found.aux["aux"], wanted.aux_logits) <= 10 * CLOSE
    norms = [n.state_dict() for n in (ours, theirs)]
    assert all(torch.allclose(v, norms[1][k], atol=1e-5) for k, v in norms[0].items())


@pytest.mark.parametrize("name", NAMES)
def test_rates_and_constants_are_equal(torchvision: Any, name: str) -> None:
    ours, theirs = pair(torchvision, name)
    for kind, facts in (
        (nn.Dropout, ("p",)),
        (nn.BatchNorm2d, ("eps", "momentum", "affine", "track_running_stats")),
        (nn.Conv2d, ("stride", "padding", "dilation", "groups")),
    ):
        lists = [
            [
                tuple(getattr(m, f) for f in facts)
                for m in net.modules()
                if isinstance(m, kind) and getattr(m, "p", True)  # ours has one of rate 0 too
            ]
            for net in (ours, theirs)
        ]
        assert sorted(map(str, lists[0])) == sorted(map(str, lists[1]))
        if kind is not nn.Dropout:
            assert lists[0] == lists[1]


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_transformed_inputs_are_equal(torchvision: Any, name: str) -> None:
    ours, theirs = (net.eval() for net in pair(torchvision, name))
    ours.transform_input = theirs.transform_input = True
    x = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert far(ours(x), theirs(x)) <= 10 * CLOSE


@pytest.mark.parametrize(
    "entry", [w for w in WEIGHTS if w.tag.startswith("imagenet")], ids=lambda w: w.file
)
def test_what_is_said_of_a_file_is_what_its_publisher_says(
    torchvision: Any, entry: Weights
) -> None:
    suffix = {"imagenet": "V1", "imagenet-v2": "V2", "imagenet-features": "FEATURES"}[entry.tag]
    enum = torchvision.models.get_model_weights(entry.model)
    names = [n for n in (f"IMAGENET1K_{suffix}", "IMAGENET1K_V1") if n in enum.__members__]
    found = enum[names[0]]
    assert found.url == entry.url
    score = found.meta["_metrics"]["ImageNet-1K"]
    assert entry.top1 in (score["acc@1"], None)
    assert entry.top5 in (score["acc@5"], None)
    prepared, ours = found.transforms(), entry.preprocessing
    assert prepared.crop_size == [ours.crop]
    assert prepared.resize_size == [ours.resize]
    assert prepared.mean == pytest.approx(ours.mean)
    assert prepared.std == pytest.approx(ours.std)
    heads = card(entry.model).variants[0].head_parameters
    assert found.meta["num_params"] - card(entry.model).parameters in (0, sum(heads))
    assert found.meta["min_size"][0] >= card(entry.model).smallest


def test_gigaflops_are_the_cards_multiply_adds(torchvision: Any) -> None:
    for entry in WEIGHTS:
        if entry.tag == "imagenet":
            said = torchvision.models.get_model_weights(entry.model).IMAGENET1K_V1.meta["_ops"]
            assert card(entry.model).macs / 1e9 == pytest.approx(said, abs=0.006), entry.model


def test_our_counter_agrees_on_their_classes(torchvision: Any) -> None:
    with torch.device("meta"):
        theirs = torchvision.models.resnet50(weights=None)
    assert count(theirs, (3, 224, 224)).macs == card("resnet50").macs
