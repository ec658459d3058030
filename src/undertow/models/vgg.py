"""VGG. Simonyan & Zisserman, ICLR 2015, table 1.

As in the checkpoints: adaptive average pool to 7x7 before the classifier (the identity at 224),
dropout after each hidden linear layer, and in the `_bn` nets (not in the paper) convolutions that
keep their bias. The published variant is initialised as its reference, the paper variant as
sec. 3.1 says of net A; the deeper nets there start from a trained A, which a first run cannot.
"""

from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.core.words import NORMS
from undertow.models.card import Card, Shape, Variant
from undertow.models.printed import PRINTED
from undertow.models.weights import tags
from undertow.nn.auxiliary import AUX_WEIGHT, AuxHead, Output
from undertow.nn.entry import fits
from undertow.nn.init import ZERO, Law, fans
from undertow.nn.recipe import Recipe, head, recipe


@dataclass(frozen=True, slots=True)
class Column:
    """A column of table 1: convolutions in each stage, and the kernel of a stage's third."""

    letter: str
    convs: tuple[int, int, int, int, int]
    third: int = 3


TABLE_1 = {
    "vgg11": Column("A", (1, 1, 2, 2, 2)),
    "vgg13": Column("B", (2, 2, 2, 2, 2)),
    "vgg16_c": Column("C", (2, 2, 3, 3, 3), third=1),
    "vgg16": Column("D", (2, 2, 3, 3, 3)),
    "vgg19": Column("E", (2, 2, 4, 4, 4)),
}
WIDTHS = (64, 128, 256, 512, 512)
GRID = 7  # side of the last map at 224 px
HIDDEN = 4096
SMALLEST = 32  # px: five halvings
THIRD = 3  # place in its stage of the convolution that is 1x1 in column C
HALF = 3  # the stage an auxiliary head looks at: half the depth


class VGG(nn.Module):
    """Five stages of 3x3 convolutions, three linear layers. (N, C, H, W) -> (N, classes)."""

    aux_weight = AUX_WEIGHT

    def __init__(self, column: Column, plan: Plan, recipe: Recipe) -> None:
        super().__init__()
        classes = plan.classes or 0
        stages = _stages(column, plan.in_channels or 0, recipe)
        self.features = nn.Sequential(*(part for stage in stages for part in stage))
        self.avgpool = nn.AdaptiveAvgPool2d(GRID)
        self.classifier = nn.Sequential(
            nn.Linear(WIDTHS[-1] * GRID * GRID, HIDDEN),
            recipe.act(HIDDEN),
            nn.Dropout(recipe.dropout),
            nn.Linear(HIDDEN, HIDDEN),
            recipe.act(HIDDEN),
            nn.Dropout(recipe.dropout),
            head(HIDDEN, classes),
        )
        self.aux = AuxHead(WIDTHS[HALF - 1], classes) if plan.choices.aux and classes else None
        self.middle = sum(map(len, stages[:HALF]))

    @property
    def heads(self) -> tuple[str, ...]:
        """Paths of the logits layers, the main one first."""
        return ("classifier.6",) if self.aux is None else ("classifier.6", "aux.fc")

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes), of images (N, C, H, W) of 32 px or more."""
        return self._classify(self.features(fits(x, SMALLEST)))

    def forward_aux(self, x: Tensor) -> Output:
        """Logits, and in training those of the head after stage 3 where there is one."""
        half = self.features[: self.middle](fits(x, SMALLEST))
        logits = self._classify(self.features[self.middle :](half))
        if self.aux is None or not self.training:
            return Output(logits, {})
        return Output(logits, {"aux": self.aux(half)})

    def _classify(self, x: Tensor) -> Tensor:
        x = self.avgpool(x).flatten(1)  # (N, 512, 7, 7) -> (N, 25088)
        logits: Tensor = self.classifier(x)
        return logits


def _stages(column: Column, c_in: int, recipe: Recipe) -> list[list[nn.Module]]:
    """The modules of each stage: convolution, norm, activation, ..., max pool 2/2."""
    stages = []
    for convs, width in zip(column.convs, WIDTHS, strict=True):
        stage: list[nn.Module] = []
        for place in range(1, convs + 1):
            kernel = column.third if place == THIRD else 3
            stage += [nn.Conv2d(c_in, width, kernel, padding=kernel // 2)]
            stage += [*recipe.norm_layers(width), recipe.act(width)]
            c_in = width
        stages.append([*stage, nn.MaxPool2d(2)])
    first = 2 if recipe.norm is None else 3
    stages[0][first:first] = recipe.response_layers()  # A-LRN: behind conv1_1 and its activation
    return stages


def build_vgg(column: str, plan: Plan, shape: Shape) -> VGG:
    """The net of a column of table 1 (a key of `TABLE_1`)."""
    return VGG(TABLE_1[column], plan, recipe(plan.choices))


def published_init(path: str, layer: nn.Module, act: str) -> tuple[Law, Law]:
    """As the checkpoints' reference: He over fan-out for convolutions, N(0, .01²) for linears."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    if isinstance(layer, nn.Linear):
        return Law("normal", 0.01), ZERO
    return Law("normal", (2 / fans(weight)[1]) ** 0.5), ZERO


def paper_init(path: str, layer: nn.Module, act: str) -> tuple[Law, Law]:
    """Sec. 3.1: N(0, .01²), biases 0."""
    return Law("normal", 0.01), ZERO


COUNTS = {  # parameters, multiply-adds at 224 px and 1000 classes
    "vgg11": (132_863_336, 7_609_090_048),
    "vgg13": (133_047_848, 11_308_466_176),
    "vgg16_c": (133_638_952, 11_770_888_192),
    "vgg16": (138_357_544, 15_470_264_320),
    "vgg19": (143_667_240, 19_632_062_464),
}
BATCH_NORM = {"vgg11": 5_504, "vgg13": 5_888, "vgg16": 8_448, "vgg19": 11_008}  # parameters more


def _card(name: str, column: str, norm: str = "none") -> Card:
    parameters, macs = COUNTS[column]
    parameters += BATCH_NORM[column] if norm == "batch" else 0
    own = Choices(act="relu", norm=norm, init="paper", skip="none", aux=0, dropout=0.5)
    published = Variant("published", parameters, macs, own, published_init)
    paper = Variant("paper", parameters, macs, own, paper_init, "initialisation only")
    return Card(
        name=name,
        family="vgg",
        paper="Simonyan & Zisserman, ICLR 2015",
        year=2014,
        build=partial(build_vgg, column),
        input=(3, 224, 224),
        smallest=SMALLEST,
        classes=1000,
        variants=(published,) if norm == "batch" else (published, paper),
        norms=NORMS if column == "vgg11" else tuple(n for n in NORMS if n != "lrn"),
        heads=1,
        train=TrainChoices(lr=0.01, batch=256, l2=5e-4),
        weights=tags(name),
        stages=("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7"),
        aux_at=("conv3",),
        printed=PRINTED.get(name, ()),
    )


CARDS = (
    *(_card(name, name) for name in ("vgg11", "vgg13", "vgg16", "vgg19")),
    *(_card(f"{name}_bn", name, "batch") for name in ("vgg11", "vgg13", "vgg16", "vgg19")),
    _card("vgg11_lrn", "vgg11", "lrn"),
    _card("vgg16_c", "vgg16_c"),
)
