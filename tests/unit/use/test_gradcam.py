"""Grad-CAM against closed forms; the net stays as it is; filters and maps as pixels."""

import copy

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from undertow.core.errors import UsageError
from undertow.models import build_plan, plan_of
from undertow.use import pictures
from undertow.use.gradcam import gradcam, last_maps, maps_of


class Pooled(nn.Module):
    """Maps, then the mean over positions, then a linear layer: Grad-CAM is CAM here."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)
        self.act = nn.ReLU(inplace=True)
        self.head = nn.Linear(4, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 2, H, W) -> (N, classes)."""
        return self.head(self.act(self.conv(x)).mean((2, 3)))


class Squared(nn.Module):
    """y = Σ A², so ∂y/∂A = 2A."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, H, W) -> (N, 2)."""
        y = self.conv(x).square().sum((1, 2, 3)).unsqueeze(1)
        return torch.cat((y, -y), 1)


def image(channels: int = 2, side: int = 6) -> Tensor:
    return torch.randn(1, channels, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("target", [0, 1, 2])
def test_after_global_pooling_it_is_the_class_activation_map(target: int) -> None:
    torch.manual_seed(0)
    net, x = Pooled(), image()
    maps = net.act(net.conv(x))[0].detach()
    weights = net.head.weight[target].detach() / 36  # ∂y_c/∂A = w/Z at every position
    expected = (weights.view(-1, 1, 1) * maps).sum(0).clamp_min(0)
    found = gradcam(net, x, target)
    assert found.layer == "act"
    torch.testing.assert_close(found.map, expected)
    assert found.score == pytest.approx(float(net(x)[0, target].detach()))


def test_weights_are_the_mean_slope_of_a_score_that_is_not_linear() -> None:
    torch.manual_seed(0)
    net, x = Squared(), image(1)
    maps = net.conv(x)[0].detach()
    expected = (2 * maps.mean((1, 2), keepdim=True) * maps).sum(0).clamp_min(0)
    torch.testing.assert_close(gradcam(net, x, 0, "conv").map, expected)
    below = (-2 * maps.mean((1, 2), keepdim=True) * maps).sum(0).clamp_min(0)
    torch.testing.assert_close(gradcam(net, x, 1, "conv").map, below)


def test_a_layer_before_an_activation_in_place_keeps_its_own_values() -> None:
    torch.manual_seed(0)
    net, x = Pooled(), image()
    maps = net.conv(x)[0].detach()
    slope = (maps > 0) * net.head.weight[1].detach().view(-1, 1, 1) / 36
    expected = (slope.mean((1, 2), keepdim=True) * maps).sum(0).clamp_min(0)
    torch.testing.assert_close(gradcam(net, x, 1, "conv").map, expected)


def test_one_unit_has_two_classes() -> None:
    torch.manual_seed(0)
    net, x = Pooled(classes=1), image()
    one, zero = gradcam(net, x, 1), gradcam(net, x, 0)
    assert one.score == -zero.score
    assert gradcam(net, x).target == int(one.score > 0)
    assert float((one.map * zero.map).max()) == 0  # what speaks for the one never for the other


def test_the_net_stays_as_it_is() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Flatten())
    net.append(nn.Linear(64, 3))
    net[0].weight.requires_grad_(False)
    before, state = copy.deepcopy(net), torch.get_rng_state()
    gradcam(net, image())
    with pytest.raises(UsageError):
        gradcam(net, image(), layer="4")
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(),
               before.state_dict().values(), strict=True))  # fmt: skip
    assert all(p.grad is None for p in net.parameters())
    assert [m.training for m in net.modules()] == [True] * 6
    assert not any(m._forward_hooks for m in net.modules())
    assert torch.equal(torch.get_rng_state(), state)
    assert not net[0].weight.requires_grad


def test_cascading_randomisation_changes_the_map() -> None:
    """Adebayo et al. 2018: a map that outlives the weights explains nothing."""
    torch.manual_seed(0)
    net, x = Pooled(), image()
    seen = [gradcam(net, x, 0).sized((6, 6))]
    for part in (net.head, net.conv):
        part.reset_parameters()
        seen.append(gradcam(net, x, 0).sized((6, 6)))
    assert not torch.allclose(seen[0], seen[1], atol=0.05)
    assert not torch.allclose(seen[1], seen[2], atol=0.05)


def test_last_maps_of_zoo_nets() -> None:
    def path(name: str, side: int) -> str:
        return last_maps(build_plan(plan_of(name)), torch.zeros(1, 3, side, side))

    assert path("cifar_resnet20", 32) == "layer3"
    assert path("resnet18", 64) == "layer4"
    assert path("googlenet", 64) == "inception5b"


def test_errors_name_what_can_be_chosen() -> None:
    net, x = Pooled(), image()
    with pytest.raises(UsageError, match="choose conv, act or head"):
        gradcam(net, x, layer="conv1")
    with pytest.raises(UsageError, match="class 3 is none of the 3"):
        gradcam(net, x, 3)
    with pytest.raises(UsageError, match="one input"):
        gradcam(net, torch.cat((x, x)))
    with pytest.raises(UsageError, match="no convolution"):
        gradcam(nn.Sequential(nn.Flatten(), nn.Linear(72, 2)), x)
    with pytest.raises(UsageError, match="gives no maps"):
        maps_of(net, x, "head")


@pytest.mark.parametrize(
    ("path", "near"), [("layer1.con", "layer1"), ("?", "linear")], ids=["like one", "like none"]
)
def test_of_many_layers_an_error_names_a_few(path: str, near: str) -> None:
    net = build_plan(plan_of("cifar_resnet20"))
    with pytest.raises(UsageError, match=f"of the net's .* layers choose one as .*{near}") as told:
        maps_of(net, torch.zeros(1, 3, 32, 32), path)
    assert str(told.value).count(",") <= 6


def test_a_map_over_the_input_peaks_at_one() -> None:
    torch.manual_seed(0)
    wide = gradcam(Pooled(), image()).sized((24, 24))
    assert wide.shape == (24, 24)
    assert float(wide.max()) == pytest.approx(1)
    assert float(wide.min()) >= 0


def test_maps_are_those_of_the_layer() -> None:
    net, x = Pooled(), image()
    torch.testing.assert_close(maps_of(net, x, "conv"), net.conv(x)[0])


def test_the_picture_is_the_image_beside_its_map() -> None:
    pixels = torch.full((1, 8, 8), 100, dtype=torch.uint8)
    heat = torch.zeros(8, 8)
    heat[0, 0] = 1.0
    made = pictures.beside(pixels, heat)
    assert made.size == ((8 + pictures.GAP + 8) * 28, 224)
    assert made.getpixel((0, 0)) == (100, 100, 100)
    over = made.getpixel(((8 + pictures.GAP) * 28, 0))
    top = tuple(round(100 * 0.35 + 0.65 * c) for c in (252, 255, 164))
    assert over == top
    assert made.getpixel((made.width - 1, 223)) == (100, 100, 100)


def test_filters_have_their_sign_and_a_sheet_its_order() -> None:
    net = nn.Conv2d(3, 2, 1, bias=False)
    net.weight.data = torch.tensor([[1.0, 0, -1], [2, 2, 2]]).view(2, 3, 1, 1)
    made = pictures.filters(net)
    assert made.getpixel((pictures.GAP, pictures.GAP)) == (255, 128, 0)
    assert made.getpixel((2 * pictures.GAP + pictures.TILE, pictures.GAP)) == (255, 255, 255)
    dark = pictures.maps(torch.tensor([[[0.0, 2.0]], [[5.0, 5.0]]]))
    assert isinstance(dark, Image.Image)
    assert dark.getpixel((pictures.GAP, pictures.GAP)) == (0, 0, 0)
    assert dark.getpixel((pictures.GAP + pictures.TILE - 1, pictures.GAP)) == (255, 255, 255)
