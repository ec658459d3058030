"""Receptive fields against published sizes and against the support of a gradient."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from undertow.core.plan import Plan
from undertow.models import blueprint, card
from undertow.nn.field import Fields, field_of, whole

RESNET = {  # layer1 .. layer4 at strides 4, 8, 16, 32
    ("resnet18", "published"): (43, 99, 211, 435),
    ("resnet34", "published"): (59, 179, 547, 899),
    ("resnet50", "published"): (35, 91, 267, 427),
    ("resnet50", "paper"): (35, 99, 291, 483),
    ("resnet101", "published"): (35, 91, 811, 971),
    ("resnet101", "paper"): (35, 99, 835, 1027),
    ("resnet152", "published"): (35, 155, 1291, 1451),
    ("resnet152", "paper"): (35, 163, 1315, 1507),
}
SIZES = {
    **{
        (*key, f"layer{i + 1}"): (size, 4 << i)
        for key, sizes in RESNET.items()
        for i, size in enumerate(sizes)
    },
    ("alexnet", "published", "features.10"): (163, 16),
    ("alexnet", "published", "features.12"): (195, 32),
    ("vgg11", "published", "features.20"): (150, 32),
    ("vgg13", "published", "features.24"): (156, 32),
    ("vgg16_c", "published", "features.30"): (156, 32),
    ("vgg16", "published", "features.30"): (212, 32),
    ("vgg19", "published", "features.36"): (268, 32),
    **{
        (f"cifar_resnet{depth}", "published", "layer3"): (size, 4)
        for depth, size in ((20, 81), (32, 137), (44, 193), (56, 249), (110, 501))
    },
    ("googlenet", "paper", "inception3b"): (91, 8),
    ("googlenet", "paper", "inception4e"): (427, 16),
    ("googlenet", "paper", "inception5b"): (715, 32),
    ("googlenet", "published", "inception3b"): (59, 8),
    ("googlenet", "published", "inception4e"): (235, 16),
    ("googlenet", "published", "inception5b"): (379, 32),
    ("inception_v3", "published", "Mixed_6e"): (927, 16),
    ("inception_v3", "published", "Mixed_7c"): (1311, 32),
}


def field(net: nn.Module, shape: tuple[int, ...], path: str) -> tuple[tuple[int, ...], ...]:
    """Size and stride at a module's output."""
    seen: list[Any] = []
    handle = net.get_submodule(path).register_forward_hook(lambda m, a, o: seen.append(field_of(o)))
    device = next((p.device for p in net.parameters()), torch.device("cpu"))
    x = torch.zeros((1, *shape), device=device)
    with torch.no_grad(), Fields(x):
        net.eval()(x)
    handle.remove()
    return () if seen[0] is None else (whole(seen[0].size), whole(seen[0].stride))


@pytest.mark.parametrize(("name", "variant", "path"), SIZES)
def test_published_sizes(name: str, variant: str, path: str) -> None:
    size, stride = SIZES[name, variant, path]
    net = blueprint(Plan(name, variant=variant))
    assert field(net, card(name).input, path) == ((size,), (stride,))


class Branches(nn.Module):
    """Functions only: a strided, dilated branch beside a pooled one, joined; then a slice."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, 1, 3, 5))
        self.out = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, H, W) -> (N, 2, ...)."""
        one = F.conv2d(x, self.weight, stride=2, padding=(2, 4), dilation=2)
        two = F.avg_pool2d(F.avg_pool2d(x, 3, 1, 1), kernel_size=2, stride=2)
        return self.out(torch.cat([one, F.relu(two)], 1)[:, :, ::2, ::2])


def support(net: nn.Module, side: int) -> tuple[int, ...]:
    """Extent of the input's pixels that the centre of the output sees."""
    x = torch.zeros(1, 1, side, side, requires_grad=True)
    out = net(x + 1)
    out[0, :, out.shape[2] // 2, out.shape[3] // 2].sum().backward()
    assert x.grad is not None
    seen = [x.grad[0, 0].abs().sum(axis).nonzero().flatten() for axis in (1, 0)]
    return tuple(int(s.max() - s.min()) + 1 for s in seen)


def test_functions_are_followed_like_modules() -> None:
    net = Branches()
    size, stride = field(net, (1, 32, 32), "out")
    assert (size, stride) == ((5, 9), (4,))
    assert support(net, 32) == size


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_the_gradient_reaches_as_far(kernel: int, stride: int) -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 2, kernel, stride, bias=False),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Conv2d(2, 1, 3, dilation=2, bias=False),
    )
    for parameter in net.parameters():
        nn.init.ones_(parameter)
    size, _ = field(net, (1, 60, 60), "3")
    assert support(net, 60) == size * (2 // len(size))


def test_upsampling_makes_neighbours_nearer_and_a_flat_output_has_no_field() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 1, 3, 4), nn.ConvTranspose2d(1, 1, 2, 2), nn.Upsample(scale_factor=2)
    )
    assert field(net, (1, 32, 32), "1")[1] == (2,)
    assert field(net, (1, 32, 32), "2")[1] == (1,)
    flat = nn.Sequential(nn.Conv2d(1, 1, 3), nn.Flatten(), nn.Linear(900, 2))
    assert field(flat, (1, 32, 32), "2") == ()


def test_one_axis_and_three() -> None:
    line = nn.Sequential(nn.Conv1d(2, 2, 5, 2), nn.MaxPool1d(3))
    assert field(line, (2, 40), "1") == ((9,), (6,))
    volume = nn.Sequential(nn.Conv3d(1, 1, (1, 3, 5)))
    assert field(volume, (1, 8, 8, 8), "0") == ((1, 3, 5), (1,))
