"""ResNet. He et al., CVPR 2016, table 1; wide and ResNeXt nets are rows of other numbers.

As in the checkpoints, a bottleneck's stride sits on its 3x3 ("v1.5"); in the paper, and with
variant="paper", on its first 1x1. The two have the same state dict: no file can tell them apart.
An auxiliary head, which the paper has not, looks at layer2: half of the stages.
"""

from dataclasses import dataclass, replace
from functools import partial

from torch import Tensor, nn

from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.core.words import SKIPS
from undertow.models.card import Card, Shape, Variant
from undertow.models.printed import HE, PRINTED, SOURCES
from undertow.models.weights import tags
from undertow.nn.auxiliary import AUX_WEIGHT, AuxHead, Output
from undertow.nn.entry import fits
from undertow.nn.init import ZERO, Law, fans, scheme
from undertow.nn.recipe import Recipe, head, recipe

WIDTH = 64  # of conv2_x; doubles at each of the three stages behind it


@dataclass(frozen=True, slots=True)
class Form:
    """What may vary in a bottleneck."""

    groups: int = 1  # of the 3x3: Xie et al. 2017, table 1
    base: int = WIDTH  # inner width of a group in conv2_x: Zagoruyko & Komodakis 2016 have 128
    early: bool = False  # whether the stride sits on the first 1x1


FORM = Form()


class BasicBlock(nn.Module):
    """Two 3x3 convolutions (fig. 5 left). (N, C_in, H, W) -> (N, width, H/stride, W/stride)."""

    expansion = 1

    def __init__(self, c_in: int, width: int, stride: int, recipe: Recipe, form: Form) -> None:
        super().__init__()
        bias = recipe.needs_bias
        self.conv1 = nn.Conv2d(c_in, width, 3, stride, padding=1, bias=bias)
        self.bn1 = recipe.norm_or_identity(width)
        self.act1 = recipe.act(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=bias)
        self.bn2 = recipe.norm_or_identity(width)
        self.downsample = recipe.skip.shortcut(c_in, width, stride, recipe)
        self.join = recipe.skip.join()
        self.act2 = recipe.act(width)
        self.skip = recipe.skip

    def forward(self, x: Tensor) -> Tensor:
        """Eq. 2: y = F(x) + W_s x, then the second nonlinearity."""
        y = self.act1(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.act2(self.join(self.downsample(x), y))

    def branch_end(self) -> nn.Module | None:
        """What scales the branch last; None in a plain net."""
        return self.skip.end(self.conv2, self.bn2)


class Bottleneck(nn.Module):
    """1x1 reduces, 3x3, 1x1 restores (fig. 5 right). (N, C_in, H, W) -> (N, 4·width, H', W')."""

    expansion = 4

    def __init__(self, c_in: int, width: int, stride: int, recipe: Recipe, form: Form) -> None:
        super().__init__()
        bias, wide = recipe.needs_bias, width * self.expansion
        inner = width * form.base // WIDTH * form.groups
        first, middle = (stride, 1) if form.early else (1, stride)
        self.conv1 = nn.Conv2d(c_in, inner, 1, first, bias=bias)
        self.bn1 = recipe.norm_or_identity(inner)
        self.act1 = recipe.act(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, middle, 1, groups=form.groups, bias=bias)
        self.bn2 = recipe.norm_or_identity(inner)
        self.act2 = recipe.act(inner)
        self.conv3 = nn.Conv2d(inner, wide, 1, bias=bias)
        self.bn3 = recipe.norm_or_identity(wide)
        self.downsample = recipe.skip.shortcut(c_in, wide, stride, recipe)
        self.join = recipe.skip.join()
        self.act3 = recipe.act(wide)
        self.skip = recipe.skip

    def forward(self, x: Tensor) -> Tensor:
        """Eq. 2, then the third nonlinearity."""
        y = self.act1(self.bn1(self.conv1(x)))
        y = self.act2(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.act3(self.join(self.downsample(x), y))

    def branch_end(self) -> nn.Module | None:
        """What scales the branch last; None in a plain net."""
        return self.skip.end(self.conv3, self.bn3)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of table 1: the kind of block, how many in conv2_x .. conv5_x, and its form."""

    block: type[BasicBlock | Bottleneck]
    blocks: tuple[int, ...]
    form: Form = FORM

    def stage(self, c_in: int, width: int, order: int, recipe: Recipe) -> nn.Sequential:
        """The blocks of stage `order` (from 0); the first halves the map, but in stage 0."""
        inputs = [c_in, *[width * self.block.expansion] * (self.blocks[order] - 1)]
        strides = [2 if order else 1, *[1] * (len(inputs) - 1)]
        pairs = zip(inputs, strides, strict=True)
        return nn.Sequential(*(self.block(c, width, s, recipe, self.form) for c, s in pairs))


TABLE_1 = {
    "resnet18": Column(BasicBlock, (2, 2, 2, 2)),
    "resnet34": Column(BasicBlock, (3, 4, 6, 3)),
    "resnet50": Column(Bottleneck, (3, 4, 6, 3)),
    "resnet101": Column(Bottleneck, (3, 4, 23, 3)),
    "resnet152": Column(Bottleneck, (3, 8, 36, 3)),
    "wide_resnet50_2": Column(Bottleneck, (3, 4, 6, 3), Form(base=128)),
    "wide_resnet101_2": Column(Bottleneck, (3, 4, 23, 3), Form(base=128)),
    "resnext50_32x4d": Column(Bottleneck, (3, 4, 6, 3), Form(groups=32, base=4)),
    "resnext101_32x8d": Column(Bottleneck, (3, 4, 23, 3), Form(groups=32, base=8)),
    "resnext101_64x4d": Column(Bottleneck, (3, 4, 23, 3), Form(groups=64, base=4)),
}


class ResNet(nn.Module):
    """Stem, four stages of blocks, global average, linear. (N, C, H, W) -> (N, classes)."""

    aux_weight = AUX_WEIGHT

    def __init__(self, column: Column, plan: Plan, recipe: Recipe) -> None:
        super().__init__()
        classes, out = plan.classes or 0, column.block.expansion
        self.smallest = smallest(plan)
        self.conv1 = nn.Conv2d(plan.in_channels or 0, WIDTH, 7, 2, 3, bias=recipe.needs_bias)
        self.bn1 = recipe.norm_or_identity(WIDTH)
        self.act = recipe.act(WIDTH)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        self.layer1 = column.stage(WIDTH, WIDTH, 0, recipe)
        self.layer2 = column.stage(WIDTH * out, 2 * WIDTH, 1, recipe)
        self.layer3 = column.stage(2 * WIDTH * out, 4 * WIDTH, 2, recipe)
        self.layer4 = column.stage(4 * WIDTH * out, 8 * WIDTH, 3, recipe)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(recipe.dropout)
        self.fc = head(8 * WIDTH * out, classes)
        self.aux = AuxHead(2 * WIDTH * out, classes) if plan.choices.aux and classes else None

    @property
    def heads(self) -> tuple[str, ...]:
        """Paths of the logits layers, the main one first."""
        return ("fc",) if self.aux is None else ("fc", "aux.fc")

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes), of images (N, C, H, W)."""
        return self._upper(self._lower(x))

    def forward_aux(self, x: Tensor) -> Output:
        """Logits, and in training those of the head on layer2 where there is one."""
        half = self._lower(x)
        logits = self._upper(half)
        if self.aux is None or not self.training:
            return Output(logits, {})
        return Output(logits, {"aux": self.aux(half)})

    def _lower(self, x: Tensor) -> Tensor:
        x = self.act(self.bn1(self.conv1(fits(x, self.smallest))))  # -> (N, 64, 112, 112) at 224
        return self.layer2(self.layer1(self.maxpool(x)))  # 56 -> 28

    def _upper(self, x: Tensor) -> Tensor:
        x = self.layer4(self.layer3(x))  # 14 -> 7
        return self.fc(self.dropout(self.avgpool(x).flatten(1)))


def smallest(plan: Plan) -> int:
    """1 px; 33 for instance norm, which needs two positions in the last map."""
    return 33 if plan.choices.norm == "instance" else 1


def build_resnet(name: str, plan: Plan, shape: Shape) -> ResNet:
    """The net of a column of table 1 (a key of `TABLE_1`), in the form of the plan's variant."""
    form = replace(TABLE_1[name].form, early=plan.variant == "paper")
    return ResNet(replace(TABLE_1[name], form=form), plan, recipe(plan.choices))


def published_init(path: str, layer: nn.Module, act: str) -> tuple[Law, Law]:
    """As the checkpoints' reference: He over fan-out for convolutions, torch's own for the head."""
    if isinstance(layer, nn.Linear):
        return scheme("torch")(path, layer, act)
    return Law("normal", (2 / fans(layer.get_parameter("weight"))[1]) ** 0.5), ZERO


def paper_init(path: str, layer: nn.Module, act: str) -> tuple[Law, Law]:
    """Sec. 3.4, "as in [13]": N(0, 2/fan-in), biases 0 (He et al. 2015, eq. 10)."""
    return Law("normal", (2 / fans(layer.get_parameter("weight"))[0]) ** 0.5), ZERO


COUNTS = {  # parameters, multiply-adds at 224 px and 1000 classes, those of the paper's form
    "resnet18": (11_689_512, 1_814_073_344, 1_814_073_344),
    "resnet34": (21_797_672, 3_663_761_408, 3_663_761_408),
    "resnet50": (25_557_032, 4_089_184_256, 3_857_973_248),
    "resnet101": (44_549_160, 7_801_405_440, 7_570_194_432),
    "resnet152": (60_192_808, 11_513_626_624, 11_282_415_616),
    "wide_resnet50_2": (68_883_240, 11_398_021_120),
    "wide_resnet101_2": (126_886_696, 22_753_050_624),
    "resnext50_32x4d": (25_028_904, 4_230_479_872),
    "resnext101_32x8d": (88_791_336, 16_414_015_488),
    "resnext101_64x4d": (83_455_272, 15_460_270_080),
    "plain18": (11_515_688, 1_794_805_760, 1_794_805_760),
    "plain34": (21_623_848, 3_644_493_824, 3_644_493_824),
}
STRIDE = "stride 2 in the first 1x1 of a bottleneck, not in its 3x3"


def _card(name: str) -> Card:
    column = name.replace("plain", "resnet")
    own = Choices("relu", "batch", "paper", "projection" if column == name else "none", 0, 0.0)
    paper, year = SOURCES.get(name.partition("_")[0].rstrip("0123456789"), HE)
    early = STRIDE if TABLE_1[column].block is Bottleneck else "initialisation only"
    inits = (("published", published_init, ""), ("paper", paper_init, early))
    forms = zip(inits, COUNTS[name][1:], strict=False)
    return Card(
        name=name,
        family="resnet",
        paper=paper,
        year=year,
        build=partial(build_resnet, column),
        input=(3, 224, 224),
        smallest=1,
        classes=1000,
        variants=tuple(Variant(v, COUNTS[name][0], macs, own, i, d) for (v, i, d), macs in forms),
        skips=SKIPS,
        heads=1,
        train=TrainChoices(lr=0.1, batch=256, l2=1e-4),
        weights=tags(name),
        stages=("stem", "layer1", "layer2", "layer3", "layer4"),
        smallest_for=smallest,
        aux_at=("layer2",),
        printed=PRINTED.get(name, ()),
    )


CARDS = tuple(map(_card, COUNTS))
