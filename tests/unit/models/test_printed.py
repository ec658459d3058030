"""Printed figures stand beside computed ones, and the computed ones are what the nets have."""

import pytest
import torch
from torch import nn

from undertow.core.plan import Choices, Plan
from undertow.models import blueprint, card
from undertow.models.printed import PRINTED
from undertow.nn.count import count, layer_macs, parameters

MODULES = ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
PAPER = (163_696, 388_736, 376_176, 449_160, 510_104, 605_376, 868_352, 1_043_456, 1_444_080)
PUBLISHED = (155_872, 340_224, 364_512, 425_232, 486_192, 573_312, 803_840, 978_944, 1_347_040)
ALEXNET = {
    "published": (23_296, 307_392, 663_936, 884_992, 590_080),
    "paper": (34_944, 307_456, 885_120, 663_936, 442_624),
}


def test_every_printed_figure_has_its_card() -> None:
    for name, rows in PRINTED.items():
        assert card(name).printed == rows
        assert all(row.what and row.printed and row.found and row.source for row in rows)


@pytest.mark.parametrize(("variant", "wanted"), [("paper", PAPER), ("published", PUBLISHED)])
def test_inception_modules_of_table_1(variant: str, wanted: tuple[int, ...]) -> None:
    net = blueprint(Plan("googlenet", variant=variant))
    found = [parameters(net.get_submodule(f"inception{name}")) for name in MODULES]
    assert found == list(wanted)


def test_computed_weights_and_multiply_adds_of_googlenet() -> None:
    net = blueprint(Plan("googlenet", variant="paper"))
    macs: dict[str, int] = {}

    def add(path: str, layer: nn.Module) -> None:
        layer.register_forward_hook(lambda m, a, o: macs.__setitem__(path, layer_macs(m, a[0], o)))

    for path, layer in net.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            add(path, layer)
    net.eval()(torch.zeros(1, 3, 224, 224, device="meta"))
    conv1, weights, ops = PRINTED["googlenet"]
    assert conv1.found == f"{net.get_parameter('conv1.conv.weight').numel():,}, 118.0M"
    assert round(macs["conv1.conv"] / 1e6, 1) == 118.0
    held = [
        sum(p.numel() for p in net.get_submodule(f"inception{m}").parameters() if p.ndim > 1)
        for m in MODULES
    ]
    assert weights.found == " ".join(f"{n / 1024:.1f}" for n in held)
    groups = ["conv2.,conv3.", *(f"inception{m}." for m in MODULES), "fc"]
    sums = [sum(v for k, v in macs.items() if k.startswith(tuple(g.split(",")))) for g in groups]
    shown = [f"{n / 1e6:.1f}" for n in sums[:-1]] + [f"{sums[-1] / 1e6:.2f}"]
    assert ops.found.split() == shown


@pytest.mark.parametrize("variant", ALEXNET)
def test_layers_of_alexnet(variant: str) -> None:
    net = blueprint(Plan("alexnet", variant=variant))
    convs = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    assert tuple(parameters(m) for m in convs) == ALEXNET[variant]
    linear = [parameters(m) for m in net.modules() if isinstance(m, nn.Linear)]
    assert linear == [37_752_832, 16_781_312, 4_097_000]


def test_neurons_of_alexnet() -> None:
    net = blueprint(Plan("alexnet", variant="paper"))
    sizes: list[int] = []
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(lambda m, a, o: sizes.append(o.numel()))
    net(torch.zeros(1, 3, 224, 224, device="meta"))
    assert sizes[0] == 290_400
    assert sum(sizes) == 659_272
    assert sum(sizes) - 290_400 + 253_440 == 622_312


@pytest.mark.parametrize(
    ("name", "variant", "heads", "wanted"),
    [
        ("googlenet", "published", 0, 6_624_904),
        ("googlenet", "published", 2, 13_004_888),
        ("googlenet", "paper", 0, 6_998_552),
        ("googlenet", "paper", 2, 13_378_280),
        ("inception_v3", "published", 1, 27_161_264),
    ],
)
def test_counts_with_and_without_heads(name: str, variant: str, heads: int, wanted: int) -> None:
    plan = Plan(name, Choices(aux=heads), variant=variant)
    assert parameters(blueprint(plan)) == wanted
    form = card(name).variant(variant)
    other = form.other
    assert other is not None
    assert wanted in (form.parameters, other[0])


SKIPS = {  # parameters, multiply-adds (None: not published)
    ("resnet18", "none"): (11_515_688, 1_794_805_760),
    ("resnet18", "zero-pad"): (11_515_688, 1_794_805_760),
    ("resnet18", "all-projection"): (12_043_816, 1_878_298_624),
    ("resnet34", "none"): (21_623_848, 3_644_493_824),
    ("resnet34", "zero-pad"): (21_623_848, 3_644_493_824),
    ("resnet34", "all-projection"): (22_716_840, 3_830_747_136),
    ("resnet50", "none"): (22_780_456, None),
    ("resnet50", "zero-pad"): (22_780_456, None),
    ("resnet50", "all-projection"): (40_128_552, None),
    ("cifar_resnet20", "projection"): (272_474, None),
    ("cifar_resnet32", "projection"): (466_906, None),
    ("cifar_resnet44", "projection"): (661_338, None),
    ("cifar_resnet56", "projection"): (855_770, None),
    ("cifar_resnet110", "projection"): (1_730_714, None),
    ("cifar_resnet20", "all-projection"): (283_962, None),
    ("cifar_resnet32", "all-projection"): (489_594, None),
    ("cifar_resnet44", "all-projection"): (695_226, None),
    ("cifar_resnet56", "all-projection"): (900_858, None),
    ("cifar_resnet110", "all-projection"): (1_826_202, None),
}


@pytest.mark.parametrize(("name", "skip"), SKIPS)
def test_counts_of_every_shortcut(name: str, skip: str) -> None:
    found = count(blueprint(Plan(name, Choices(skip=skip))), card(name).input)
    wanted, macs = SKIPS[name, skip]
    assert found.parameters == wanted
    assert macs is None or found.macs == macs


@pytest.mark.slow
@pytest.mark.parametrize(
    ("skip", "wanted"),
    [("projection", 19_424_026), ("all-projection", 20_538_714), ("none", 19_421_274)],
)
def test_counts_of_1202_layers(skip: str, wanted: int) -> None:
    assert parameters(blueprint(Plan("cifar_resnet1202", Choices(skip=skip)))) == wanted
