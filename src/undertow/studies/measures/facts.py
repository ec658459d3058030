"""Counts and identities: numbers that need no seeds, one a fact."""

import math
from collections.abc import Callable
from functools import cache, partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from undertow.core.activation import FACTS, LEAK
from undertow.core.errors import unknown
from undertow.core.plan import Choices, Plan
from undertow.models import blueprint, default_plan
from undertow.nn.count import Count, count
from undertow.nn.norm import LRN_ALPHA, LRN_BETA, LRN_K, LRN_SIZE, local_response_norm
from undertow.studies.study import Cell

SWEEP = torch.linspace(-30, 30, 6001, dtype=torch.float64)
Fact = Callable[[], float]


def fact(cell: Cell) -> dict[str, float | tuple[float, ...]]:
    """`value` of the arm's fact."""
    name = str(cell.get("fact", cell.arm))
    if name not in ALL:
        raise unknown("fact", name, ALL)
    return {"value": ALL[name]()}


def _sigmoid_slope(x: float) -> float:
    return FACTS["sigmoid"].slope(x)


def _first_one() -> float:
    """The smallest x, in steps of .1, whose sigmoid is exactly 1 in float32."""
    return next(x / 10 for x in range(400) if torch.sigmoid(torch.tensor(x / 10)).item() == 1.0)


def _leaky_gap(a: float) -> float:
    return float((torch.maximum(a * SWEEP, SWEEP) - F.leaky_relu(SWEEP, a)).abs().max())


ACTIVATIONS: dict[str, Fact] = {
    "sigmoid at 2": lambda: torch.sigmoid(torch.tensor(2.0)).item(),
    "1/(1 + e²)": lambda: 1 / (1 + math.exp(2)),
    "1/(1 + e⁻²)": lambda: 1 / (1 + math.exp(-2)),
    "1 less the largest sigmoid on [-30, 30]": lambda: 1 - float(torch.sigmoid(SWEEP).max()),
    "smallest sigmoid on [-30, 30]": lambda: float(torch.sigmoid(SWEEP).min()),
    "first x with sigmoid 1 in float32": _first_one,
    "sigmoid's slope at 0": lambda: _sigmoid_slope(0.0),
    "sigmoid's slope at .01": lambda: _sigmoid_slope(0.01),
    "sigmoid's slope at 10": lambda: _sigmoid_slope(10.0),
    "sigmoid's slope at -10": lambda: _sigmoid_slope(-10.0),
    "tanh's slope at 0": lambda: FACTS["tanh"].slope(0.0),
    "largest |tanh x - (2 sigmoid 2x - 1)|": lambda: float(
        (torch.tanh(SWEEP) - (2 * torch.sigmoid(2 * SWEEP) - 1)).abs().max()
    ),
    "largest |leaky - max(ax, x)|, a .01": lambda: _leaky_gap(LEAK),
    "largest |leaky - max(ax, x)|, a 2": lambda: _leaky_gap(2.0),
    **{f"E f² of {name}": partial(lambda f: f.second, f) for name, f in FACTS.items()},
    **{f"E f'² of {name}": partial(lambda f: f.slope_second, f) for name, f in FACTS.items()},
}


@cache
def _net(name: str, variant: str = "published", **choices: str) -> nn.Module:
    plan = default_plan(name)
    return blueprint(Plan(name, Choices(**choices), variant=variant, train=plan.train))  # type: ignore[arg-type]


@cache
def _count(name: str, variant: str = "published", **choices: str) -> Count:
    side = 32 if name.startswith("cifar") else 224
    return count(_net(name, variant, **choices), (3, side, side))


def _kinds(name: str, kind: type[nn.Module], variant: str = "published") -> list[nn.Module]:
    return [m for m in _net(name, variant).modules() if isinstance(m, kind)]


def _convs(name: str, variant: str = "published") -> list[nn.Conv2d]:
    return [m for m in _kinds(name, nn.Conv2d, variant) if isinstance(m, nn.Conv2d)]


def _linear_share(name: str) -> float:
    linear = [m for m in _kinds(name, nn.Linear) if isinstance(m, nn.Linear)]
    return sum(p.numel() for m in linear for p in m.parameters()) / _count(name).parameters


def _conv_work(name: str) -> float:
    linear = [m for m in _kinds(name, nn.Linear) if isinstance(m, nn.Linear)]
    return 1 - sum(m.weight.numel() for m in linear) / _count(name).macs


def _width_steps(name: str, variant: str, *, up: bool) -> float:
    """Convolutions that have more (`up`), or fewer, channels than the one before."""
    widths = [c.out_channels for c in _convs(name, variant)]
    return float(sum(b > a if up else b < a for a, b in pairwise(widths)))


def _not_three(name: str) -> float:
    return float(sum(c.kernel_size != (3, 3) or c.stride != (1, 1) for c in _convs(name)))


def _shortcuts(name: str, projected: bool) -> float:
    """Blocks whose shortcut is a projection, or the identity."""
    found = [m for m in _net(name).modules() if hasattr(m, "downsample")]
    return float(sum((not isinstance(m.downsample, nn.Identity)) == projected for m in found))


def _kernel(variant: str) -> float:
    branch = _net("googlenet", variant).get_submodule("inception3a.branch3")
    return float(max(m.kernel_size[0] for m in branch.modules() if isinstance(m, nn.Conv2d)))


def _concatenated() -> float:
    """Channels of module 3a's output."""
    part = _net("googlenet").get_submodule("inception3a").eval()
    out: Tensor = part(torch.zeros(1, 192, 28, 28, device="meta"))
    return float(out.shape[1])


def field(layers: tuple[nn.Module, ...], side: int = 15) -> float:
    """Side of the input patch one output position sees, by the support of its gradient."""
    x = torch.ones(1, 1, side, side, requires_grad=True)
    net = nn.Sequential(*layers)
    with torch.no_grad():
        for m in net.modules():
            if isinstance(m, nn.Conv2d):
                m.weight.fill_(1.0)
    out: Tensor = net(x)
    middle = out.shape[-1] // 2
    out[0, 0, middle, middle].backward()
    assert x.grad is not None
    return float((x.grad[0, 0].abs().sum(0) > 0).sum())


def conv(kernel: int) -> nn.Module:
    """A convolution that keeps the size, one channel."""
    return nn.Conv2d(1, 1, kernel, padding=kernel // 2, bias=False)


def pooled_share(kernel: int, stride: int) -> float:
    """Share of the inputs of a max pool that get a gradient, on 64 maps of N(0, 1)."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(64, 1, 27, 27, generator=g)[..., : 27 - 27 % stride, : 27 - 27 % stride]
    x.requires_grad_()
    F.max_pool2d(x, kernel, stride).sum().backward()
    assert x.grad is not None
    return float((x.grad != 0).float().mean())


def lrn_error() -> float:
    """Largest |module − formula| of local response norm on N(0, 1) maps."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(2, 16, 5, 5, generator=g)
    half = LRN_SIZE // 2
    squares = F.pad(x.square(), (0, 0, 0, 0, half, half))
    sums = sum(squares[:, i : i + 16] for i in range(LRN_SIZE))
    wanted = x / (LRN_K + LRN_ALPHA * sums) ** LRN_BETA
    return float((local_response_norm()(x) - wanted).abs().max())


def lrn_reach() -> float:
    """Positions beside its own whose inputs change an output of local response norm."""
    x = torch.ones(1, 9, 3, 3, requires_grad=True)
    local_response_norm()(x)[0, 4, 1, 1].backward()
    assert x.grad is not None
    seen = x.grad[0] != 0
    return float(seen.any(0).sum()) - 1


def reduced_macs(reduce: bool) -> float:
    """Multiply-adds of GoogLeNet's module 3a at 28 px, with or without its 1x1 reductions."""
    side, c_in = 28 * 28, 192
    three = 96 * c_in + 9 * 96 * 128 if reduce else 9 * c_in * 128
    five = 16 * c_in + 25 * 16 * 32 if reduce else 25 * c_in * 32
    pool = 32 * c_in if reduce else 0
    return float(side * (64 * c_in + three + five + pool))


def module_macs() -> float:
    """The same counted on the paper variant's module."""
    part = _net("googlenet", "paper").get_submodule("inception3a")
    return float(count(part, (192, 28, 28)).macs)


def bottleneck_weights() -> float:
    """Weights of the convolutions of ResNet-50's second block (256 -> 64 -> 64 -> 256)."""
    block = _net("resnet50").get_submodule("layer1.1")
    return float(sum(m.weight.numel() for m in block.modules() if isinstance(m, nn.Conv2d)))


def bottleneck_layers(kernel: int) -> float:
    """Convolutions of that block of a kernel."""
    block = _net("resnet50").get_submodule("layer1.1")
    found = [m for m in block.modules() if isinstance(m, nn.Conv2d)]
    return float(sum(m.kernel_size == (kernel, kernel) for m in found))


ANATOMY: dict[str, Fact] = {
    "AlexNet: convolutions": lambda: float(len(_convs("alexnet"))),
    "AlexNet: fully connected layers": lambda: float(len(_kinds("alexnet", nn.Linear))),
    "AlexNet: parameters": lambda: float(_count("alexnet").parameters),
    "AlexNet: largest kernel": lambda: float(max(c.kernel_size[0] for c in _convs("alexnet"))),
    "AlexNet: kernels of 3": lambda: float(sum(c.kernel_size == (3, 3) for c in _convs("alexnet"))),
    "AlexNet: steps to more channels": lambda: _width_steps("alexnet", "published", up=True),
    "AlexNet: steps to fewer channels": lambda: _width_steps("alexnet", "published", up=False),
    "AlexNet as printed: steps to more channels": lambda: _width_steps("alexnet", "paper", up=True),
    "AlexNet as printed: steps to fewer channels": lambda: _width_steps(
        "alexnet", "paper", up=False
    ),
    "AlexNet: share of weights in fully connected layers": lambda: _linear_share("alexnet"),
    "AlexNet: share of multiply-adds in convolutions": lambda: _conv_work("alexnet"),
    "AlexNet: multiply-adds": lambda: float(_count("alexnet").macs),
    "VGG-11: layers with weights": lambda: _layers("vgg11"),
    "VGG-13: layers with weights": lambda: _layers("vgg13"),
    "VGG-16: layers with weights": lambda: _layers("vgg16"),
    "VGG-19: layers with weights": lambda: _layers("vgg19"),
    "VGG-16: parameters": lambda: float(_count("vgg16").parameters),
    "VGG-16: share of weights in fully connected layers": lambda: _linear_share("vgg16"),
    "VGG-16: convolutions other than 3x3 of stride 1": lambda: _not_three("vgg16"),
    "VGG-16 C: convolutions other than 3x3 of stride 1": lambda: _not_three("vgg16_c"),
    "VGG-16: different channel widths": lambda: float(
        len({c.out_channels for c in _convs("vgg16")})
    ),
    "VGG-11: multiply-adds": lambda: float(_count("vgg11").macs),
    "VGG-16: multiply-adds": lambda: float(_count("vgg16").macs),
    "VGG-19: parameters": lambda: float(_count("vgg19").parameters),
    "VGG-19: multiply-adds": lambda: float(_count("vgg19").macs),
    "ResNet-50: identity shortcuts": lambda: _shortcuts("resnet50", False),
    "ResNet-50: projections": lambda: _shortcuts("resnet50", True),
    "ResNet-18: identity shortcuts": lambda: _shortcuts("resnet18", False),
    "ResNet-18: projections": lambda: _shortcuts("resnet18", True),
    **{
        f"ResNet-{n}: {what}": partial(lambda n, w: float(getattr(_count(f"resnet{n}"), w)), n, key)
        for n in (18, 34, 50, 101, 152)
        for what, key in (("parameters", "parameters"), ("multiply-adds", "macs"))
    },
    "GoogLeNet: parameters": lambda: float(_count("googlenet").parameters),
    "GoogLeNet: multiply-adds": lambda: float(_count("googlenet").macs),
    "GoogLeNet: AlexNet's parameters over its own": lambda: (
        _count("alexnet").parameters / _count("googlenet").parameters
    ),
    "GoogLeNet: field of the 1x1 branch": lambda: field((conv(1),)),
    "GoogLeNet: field of the 3x3 branch": lambda: field((conv(1), conv(3))),
    "GoogLeNet: field of the 5x5 branch as printed": lambda: field((conv(1), conv(5))),
    "GoogLeNet: field of the pool branch": lambda: field((nn.AvgPool2d(3, 1, 1), conv(1))),
    "GoogLeNet: channels of module 3a": _concatenated,
    "GoogLeNet: kernel of the 5x5 branch, published": lambda: _kernel("published"),
    "GoogLeNet: kernel of the 5x5 branch, as printed": lambda: _kernel("paper"),
    "GoogLeNet: batch norms, published": lambda: float(len(_kinds("googlenet", nn.BatchNorm2d))),
    "GoogLeNet: batch norms, as printed": lambda: float(
        len(_kinds("googlenet", nn.BatchNorm2d, "paper"))
    ),
}


def _layers(name: str) -> float:
    return float(len(_convs(name)) + len(_kinds(name, nn.Linear)))


PARTS: dict[str, Fact] = {
    "field of one 5x5": lambda: field((conv(5),)),
    "field of two 3x3": lambda: field((conv(3), conv(3))),
    "field of one 7x7": lambda: field((conv(7),)),
    "field of three 3x3": lambda: field((conv(3), conv(3), conv(3))),
    "weights a channel pair, one 5x5": lambda: 25.0,
    "weights a channel pair, two 3x3": lambda: 18.0,
    "share of inputs with gradient, max pool 2/2": lambda: pooled_share(2, 2),
    "share of inputs with gradient, max pool 3/2": lambda: pooled_share(3, 2),
    "largest |LRN - formula|": lrn_error,
    "positions beside its own that LRN sees": lrn_reach,
    "bottleneck 256-64-64-256: weights": bottleneck_weights,
    "two 3x3 at 256: weights": lambda: 2.0 * 9 * 256 * 256,
    "bottleneck: 1x1 convolutions": lambda: bottleneck_layers(1),
    "bottleneck: 3x3 convolutions": lambda: bottleneck_layers(3),
    "ResNet-34: multiply-adds": lambda: float(_count("resnet34").macs),
    "ResNet-50: multiply-adds": lambda: float(_count("resnet50").macs),
    "ResNet-50 as printed: multiply-adds": lambda: float(_count("resnet50", "paper").macs),
    "module 3a: multiply-adds": module_macs,
    "module 3a without reductions: multiply-adds": lambda: reduced_macs(False),
    "module 3a by the formula: multiply-adds": lambda: reduced_macs(True),
    "module 3a without reductions: channels out": lambda: 64.0 + 128 + 32 + 192,
    "module 3a: channels out": _concatenated,
}
ALL = {**ACTIVATIONS, **ANATOMY, **PARTS}
