"""ResNets: the paper's stride, plain twins, shortcuts, the start as identity, initialisation."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from undertow.core.plan import Choices, Plan
from undertow.models import blueprint, build_plan
from undertow.models.resnet import BasicBlock, Bottleneck, Form
from undertow.nn.norm import BATCH, factory
from undertow.nn.recipe import Recipe
from undertow.nn.skip import Add, Drop, skip, zero_gamma

BATCHED = factory("batch")


def made(word: str) -> Recipe:
    return Recipe("relu", BATCHED, skip(word))


def by_hand(block: Any, x: Tensor, first: int, middle: int) -> Tensor:
    """Fig. 5 right as a chain of functions on a bottleneck's weights, with batch statistics."""

    def layer(x: Tensor, order: int, stride: int, pad: int = 0) -> Tensor:
        conv, norm = getattr(block, f"conv{order}"), getattr(block, f"bn{order}")
        y = F.conv2d(x, conv.weight, None, stride, pad)
        return F.batch_norm(y, None, None, norm.weight, norm.bias, training=True, eps=1e-5)

    y = layer(layer(layer(x, 1, first).relu(), 2, middle, 1).relu(), 3, 1)
    conv, norm = block.downsample
    short = F.conv2d(x, conv.weight, None, 2)
    short = F.batch_norm(short, None, None, norm.weight, norm.bias, training=True, eps=1e-5)
    return (y + short).relu()


@pytest.mark.parametrize("early", [True, False])
def test_a_bottleneck_is_fig_5_with_its_stride_in_place(early: bool) -> None:
    torch.manual_seed(0)
    block = Bottleneck(16, 8, 2, made("projection"), Form(early=early))
    x = torch.randn(4, 16, 9, 9)
    strides = (2, 1) if early else (1, 2)
    assert torch.allclose(block(x), by_hand(block, x, *strides), atol=1e-5)
    assert not torch.allclose(block(x), by_hand(block, x, *strides[::-1]), atol=1e-2)


def test_both_forms_share_keys_and_differ_in_outputs() -> None:
    one, two = (build_plan(Plan("resnet50", Choices(init="he-normal"), variant=v, classes=10))
                for v in ("published", "paper"))  # fmt: skip
    assert all(torch.equal(v, two.state_dict()[k]) for k, v in one.state_dict().items())
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        a, b = one(x), two(x)
    assert float((a - b).abs().max() / a.std()) > 0.05
    small = [build_plan(Plan("resnet18", Choices(init="torch"), variant=v, classes=10)).eval()
             for v in ("published", "paper")]  # fmt: skip
    assert torch.equal(small[0](x), small[1](x))


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "cifar_resnet20"])
def test_the_plain_twin_has_the_same_convolutions_in_order_and_no_sum(name: str) -> None:
    residual, plain = (blueprint(Plan(name, Choices(skip=s))) for s in ("zero-pad", "none"))
    shapes = [
        [(p, m.weight.shape, m.stride) for p, m in net.named_modules() if isinstance(m, nn.Conv2d)]
        for net in (residual, plain)
    ]
    assert shapes[0] == shapes[1]
    assert not any(isinstance(m, Add) for m in plain.modules())
    joins = sum(isinstance(m, Drop) for m in plain.modules())
    assert joins == sum(isinstance(m, Add) for m in residual.modules()) > 0


@pytest.mark.parametrize(
    ("alias", "name"), [("plain18", "resnet18"), ("cifar_plain20", "cifar_resnet20")]
)
def test_an_alias_is_the_net_without_skips(alias: str, name: str) -> None:
    one = build_plan(Plan(alias, classes=10, seed=3))
    two = build_plan(Plan(name, Choices(skip="none"), classes=10, seed=3))
    pairs = zip(one.state_dict().items(), two.state_dict().items(), strict=True)
    assert all(k == n and torch.equal(v, w) for (k, v), (n, w) in pairs)


@pytest.mark.parametrize("kind", [BasicBlock, Bottleneck])
@pytest.mark.parametrize("word", ["none", "zero-pad", "projection", "all-projection"])
def test_a_block_with_a_zero_branch_is_its_shortcut(kind: Any, word: str) -> None:
    torch.manual_seed(0)
    block = kind(8, 16, 2, made(word), Form())
    x = torch.randn(4, 8, 6, 6)
    end = block.branch_end()
    if word == "none":
        assert end is None
        last = block.bn2 if kind is BasicBlock else block.bn3
        nn.init.zeros_(last.weight)
        assert not block(x).any()
        return
    assert zero_gamma(block) == (f"bn{2 if kind is BasicBlock else 3}",)
    assert torch.equal(block(x), block.downsample(x).relu())
    if word == "zero-pad":
        wide = 16 * kind.expansion
        front = (wide - 8) // 2
        assert torch.equal(block(x)[:, front : front + 8], x[:, :, ::2, ::2].relu())
        assert not block(x)[:, :front].any()
        assert not block(x)[:, front + 8 :].any()


def test_a_net_starts_as_its_stem_and_shortcuts() -> None:
    net: Any = build_plan(Plan("cifar_resnet20", classes=10))
    assert len(zero_gamma(net)) == 9
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    stem = net.act(net.bn1(net.conv1(x)))
    assert torch.equal(net.layer1(stem), stem)
    bare: Any = build_plan(Plan("resnet18", Choices(norm="none"), classes=10))
    assert zero_gamma(bare)[0] == "layer1.0.conv2"


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "cifar_resnet20"])
def test_norms_have_torchs_epsilon_and_momentum(name: str) -> None:
    norms = [m for m in blueprint(Plan(name)).modules() if isinstance(m, BATCH)]
    assert {(m.eps, m.momentum) for m in norms} == {(1e-5, 0.1)}


@pytest.mark.parametrize(("variant", "fan"), [("published", 128 * 9), ("paper", 64 * 9)])
def test_weights_are_drawn_as_the_variant_says(variant: str, fan: int) -> None:
    net: Any = build_plan(Plan("resnet18", variant=variant))
    std = float(net.layer2[0].conv1.weight.detach().std())
    assert std == pytest.approx((2 / fan) ** 0.5, rel=0.05)
    assert bool(net.fc.bias.any()) is (variant == "published")
    cifar: Any = build_plan(Plan("cifar_resnet20", variant=variant))
    assert float(cifar.layer3[0].conv2.weight.detach().std()) == pytest.approx(
        (2 / 576) ** 0.5, rel=0.05
    )


def test_heads_look_at_half_the_depth() -> None:
    for name, channels in (("resnet18", 128), ("resnet50", 512), ("cifar_resnet20", 32)):
        net: Any = blueprint(Plan(name, Choices(aux=1)))
        assert net.aux.fc.in_features == channels
        out = net.forward_aux(torch.zeros(2, 3, 32, 32, device="meta"))
        assert list(out.aux) == ["aux"]
        assert net.heads[1] == "aux.fc"


def test_without_norms_convolutions_have_a_bias() -> None:
    net = blueprint(Plan("resnet18", Choices(norm="none")))
    assert all(m.bias is not None for m in net.modules() if isinstance(m, nn.Conv2d))
    assert not any(isinstance(m, BATCH) for m in net.modules())


def test_no_classes_give_features() -> None:
    for name, size in (("resnet18", 512), ("resnet50", 2048), ("cifar_resnet20", 64)):
        net = blueprint(Plan(name, classes=0))
        assert net(torch.zeros(2, 3, 32, 32, device="meta")).shape == (2, size)
