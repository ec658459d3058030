"""Plain nets: published counts, blocks in pre-activation form, pools, auxiliary heads."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from undertow.core.errors import UsageError
from undertow.core.plan import Choices, Plan
from undertow.models import blueprint, build, build_plan
from undertow.models.plain import CLOSES, OPENS, OUTSIDE, Plain, places
from undertow.nn.auxiliary import Output
from undertow.nn.count import Count, count
from undertow.nn.skip import zero_gamma

SKIPS = ("zero-pad", "projection", "all-projection")


def plan(name: str, depth: int = 6, width: int = 8, **choices: str) -> Plan:
    return Plan(name, Choices(**choices), (("depth", depth), ("width", width)))  # type: ignore[arg-type]


def image(n: int = 4, side: int = 8) -> Tensor:
    return torch.randn(n, 1, side, side, generator=torch.Generator().manual_seed(0))


def test_published_counts() -> None:
    mlp = blueprint(Plan("mlp"), (256,))
    assert count(mlp, (256,)) == Count(1_318_410, 1_313_280)
    conv = blueprint(Plan("conv", sizes=(("width", 16),)), (1, 8, 8))
    assert count(conv, (1, 8, 8)) == Count(44_410, 2_811_040)


@pytest.mark.parametrize("norm", ["none", "batch", "group", "layer"])
@pytest.mark.parametrize("act", ["tanh", "prelu"])
@pytest.mark.parametrize("skip", ["none", "zero-pad", "projection"])
def test_parameters_follow_the_formula(norm: str, act: str, skip: str) -> None:
    d, w, c, depth, classes = 1 * 8 * 8, 8, 1, 6, 10
    site = (w if act == "prelu" else 0) + (2 * w - w if norm != "none" else 0)
    wanted = {
        "mlp": (d + 1) * w + (depth - 1) * (w + 1) * w + (w + 1) * classes,
        "conv": (9 * c + 1) * w + (depth - 1) * (9 * w + 1) * w + (w + 1) * classes,
    }
    for name, total in wanted.items():
        net = blueprint(plan(name, depth, w, norm=norm, act=act, skip=skip), (1, 8, 8))
        assert count(net, (1, 8, 8)).parameters == total + depth * site


def test_multiply_adds_follow_the_pools() -> None:
    sizes = (("depth", 5), ("width", 8), ("pool_at", (2, 3)))
    net = blueprint(Plan("conv", sizes=sizes), (3, 13, 9))
    pixels = (13 * 9, 13 * 9, 6 * 4, 3 * 2, 3 * 2)
    wanted = sum(p * 9 * 8 * (8 if i else 3) for i, p in enumerate(pixels)) + 8 * 10
    assert count(net, (3, 13, 9)).macs == wanted


def test_names_are_readable() -> None:
    keys = list(blueprint(plan("conv", depth=2, norm="batch")).state_dict())
    assert keys[:3] == ["layers.0.conv.weight", "layers.0.norm.weight", "layers.0.norm.bias"]
    assert keys[-2:] == ["head.weight", "head.bias"]
    assert "layers.1.linear.weight" in blueprint(plan("mlp", depth=2)).state_dict()


def test_places_pair_layers_within_a_stage() -> None:
    assert places(6) == [OUTSIDE, OPENS, CLOSES, OPENS, CLOSES, OUTSIDE]
    assert places(1) == [OUTSIDE]
    pooled = places(8, (3, 4))
    assert pooled == [OUTSIDE, OPENS, CLOSES, OUTSIDE, OUTSIDE, OPENS, CLOSES, OUTSIDE]


def reference(net: Plain, x: Tensor, act: Callable[[Tensor], Tensor], residual: bool) -> Tensor:
    """The definition written out: h is the sum before the activation."""
    p = dict(net.named_parameters())

    def layer(i: int, v: Tensor) -> Tensor:
        return F.conv2d(v, p[f"layers.{i}.conv.weight"], p[f"layers.{i}.conv.bias"], padding=1)

    h = layer(0, x)
    for i in (1, 3):
        branch = layer(i + 1, act(layer(i, act(h))))
        h = h + branch if residual else branch
    h = layer(5, act(h))
    return F.linear(act(h).mean((2, 3)), p["head.weight"], p["head.bias"])


@pytest.mark.parametrize("skip", ["none", "zero-pad", "projection"])
def test_the_net_is_its_definition(skip: str) -> None:
    net = build_plan(plan("conv", act="sigmoid", skip=skip, init="xavier-normal"))
    assert isinstance(net, Plain)
    wanted = reference(net, image(), torch.sigmoid, residual=skip != "none")
    assert torch.allclose(net(image()), wanted, atol=1e-6)


def test_an_mlp_is_its_definition() -> None:
    net = build_plan(plan("mlp", depth=3, act="tanh", init="he"), (1, 8, 8))
    x = image().flatten(1)
    for i in range(3):
        x = torch.tanh(net.get_submodule(f"layers.{i}.linear")(x))
    assert torch.allclose(net(image()), net.get_submodule("head")(x), atol=1e-6)


@pytest.mark.parametrize("skip", SKIPS)
@pytest.mark.parametrize("name", ["mlp", "conv"])
def test_the_shortcut_meets_no_activation(name: str, skip: str) -> None:
    """With every branch 0 the first sum reaches the end of the last block as it was."""
    net = build_plan(plan(name, depth=7, act="sigmoid", skip=skip), (1, 8, 8))
    assert len(zero_gamma(net)) == 3
    sums: list[Tensor] = []
    for i in (0, 6):
        norm = net.get_submodule(f"layers.{i}.norm")
        norm.register_forward_pre_hook(lambda m, args: sums.append(args[0]))
    net(image())
    assert torch.equal(*sums) == (skip != "all-projection")


def test_without_skip_a_zero_branch_gives_zero() -> None:
    net = build_plan(plan("conv", depth=3))
    with torch.no_grad():
        for parameter in net.get_submodule("layers.2.conv").parameters():
            parameter.zero_()
    seen: list[Tensor] = []
    net.get_submodule("layers.2.norm").register_forward_pre_hook(lambda m, a: seen.append(a[0]))
    net(image())
    assert not seen[0].any()
    assert zero_gamma(net) == ()


def test_zeroed_blocks_still_learn() -> None:
    net = build_plan(plan("conv", skip="projection", norm="batch", init="he"))
    ends = zero_gamma(net)
    F.cross_entropy(net(image()), torch.arange(4)).backward()
    for path in ends:
        grad = net.get_parameter(f"{path}.weight").grad
        assert grad is not None
        assert grad.any()


def test_skips_share_convolutions_and_draws() -> None:
    nets = [build_plan(plan("conv", skip=s, init="he-normal")) for s in ("none", *SKIPS)]
    first = dict(nets[0].named_parameters())
    for net in nets[1:]:
        own = {k: v for k, v in net.named_parameters() if "shortcut" not in k}
        assert list(own) == list(first)
        assert all(torch.equal(v, first[k]) for k, v in own.items())


def test_no_block_spans_a_pool() -> None:
    sizes = (("depth", 8), ("width", 8), ("pool_at", (3, 4)))
    net = build_plan(Plan("conv", Choices(skip="projection"), sizes), (1, 8, 8))
    assert zero_gamma(net) == ("layers.2.conv", "layers.6.conv")
    net(image()).sum().backward()


def test_lrn_stands_behind_the_activation() -> None:
    net = build_plan(plan("conv", norm="lrn"))
    kinds = [type(m).__name__ for m in net.get_submodule("layers.0").children()]
    assert kinds == ["Conv2d", "Identity", "ReLU", "Sequential"]
    assert isinstance(net.get_submodule("layers.0.after.0"), nn.LocalResponseNorm)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"pool_at": (2, 2)}, "pool_at=2,2 must rise strictly within 1 to 19"),
        ({"pool_at": (20,)}, "within 1 to 19"),
        ({"pool_at": (0, 3)}, "within 1 to 19"),
        ({"pool_at": (1, 2, 3, 4)}, "at most 3 pools fit: pool_at=1,2,3"),
        ({"depth": 65}, "depth=65 does not build; give a whole number, 1 to 64"),
        ({"depth": 0}, "1 to 64"),
        ({"width": 0}, "width=0 does not build; give a whole number, 1 or more"),
        ({"width": 2.5}, "1 or more"),
    ],
)
def test_sizes_that_do_not_build(sizes: dict[str, tuple[int, ...]], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build_plan(Plan("conv", sizes=tuple(sizes.items())), (1, 8, 8))


@pytest.mark.parametrize("name", ["mlp", "conv"])
@pytest.mark.parametrize("depth", [1, 2, 7])
def test_an_auxiliary_head_looks_at_half_the_depth(name: str, depth: int) -> None:
    net = build_plan(Plan(name, Choices(aux=True), (("depth", depth), ("width", 8))), (1, 8, 8))
    assert isinstance(net, Plain)
    assert net.heads == ("head", "aux.fc")
    out = net.forward_aux(image())
    assert isinstance(out, Output)
    assert torch.equal(out.logits, net(image()))
    half = math.ceil(depth / 2) - 1
    seen: list[Tensor] = []
    net.get_submodule(f"layers.{half}.after").register_forward_hook(lambda m, a, o: seen.append(o))
    net(image())
    assert torch.equal(out.aux["aux"], net.get_submodule("aux")(seen[0]))
    assert net.eval().forward_aux(image()).aux == {}


def test_no_classes_give_features() -> None:
    assert build("conv", depth=2, width=8, classes=0)(image()).shape == (4, 8)


def test_dropout_stands_before_the_head() -> None:
    net = build("mlp", depth=2, width=8, dropout=0.4, in_channels=64)
    rates = [m.p for m in net.modules() if isinstance(m, nn.Dropout)]
    assert rates == [0.4]


# ‖∂loss/∂h₁‖ / ‖∂loss/∂h_L‖ per layer at width 256, as measured by the specification's protocol
FACTORS = [
    ("sigmoid", "xavier-uniform", "none", 0.235),
    ("sigmoid", "he-normal", "none", 0.317),
    ("relu", "torch", "none", 0.408),
    ("relu", "normal:0.01", "none", 0.113),
    ("tanh", "normal:0.01", "none", 0.159),
    ("relu", "he-normal", "batch", 1.205),
    ("tanh", "he-normal", "batch", 1.092),
    ("identity", "he-normal", "batch", 1.001),
]


@pytest.mark.parametrize(("act", "init", "norm", "factor"), FACTORS)
def test_gradients_fade_as_measured_elsewhere(
    act: str, init: str, norm: str, factor: float
) -> None:
    net = build_plan(Plan("mlp", Choices(act=act, init=init, norm=norm)), (256,))
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(128, 256, generator=generator)
    y = torch.randint(10, (128,), generator=generator)
    norms: list[float] = []
    for layer in (0, 19):
        net.get_submodule(f"layers.{layer}.act").register_forward_hook(
            lambda m, a, out: out.register_hook(lambda g: norms.append(float(g.norm()))) and None
        )
    F.cross_entropy(net(x), y).backward()
    last, first = norms
    assert (first / last) ** (1 / 19) == pytest.approx(factor, rel=0.02)
