"""AlexNet. Published: Krizhevsky 2014 ("one weird trick"), one tower, the checkpoint's numbers.

Paper: Krizhevsky, Sutskever & Hinton, NIPS 2012, fig. 2: two towers, which are convolutions in two
groups; local response norms behind the first two; no adaptive pool is needed at 224, where conv1
is padded by 2 (its authors' code took 227). As in the checkpoint, dropout stands *before* each
hidden linear layer. An auxiliary head, which neither has, looks at conv3: half the depth.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.core.words import NORMS
from undertow.models.card import Card, Shape, Variant
from undertow.models.printed import PRINTED
from undertow.models.weights import tags
from undertow.nn.auxiliary import AUX_WEIGHT, AuxHead, Output
from undertow.nn.entry import fits
from undertow.nn.init import ZERO, Law, scheme
from undertow.nn.recipe import Recipe, head, recipe


@dataclass(frozen=True, slots=True)
class Towers:
    """Widths of conv1 .. conv5, and the groups of conv2, conv4 and conv5."""

    widths: tuple[int, int, int, int, int]
    groups: int


FORMS = {
    "published": Towers((64, 192, 384, 256, 256), groups=1),
    "paper": Towers((96, 256, 384, 384, 256), groups=2),  # conv3 sees both towers
}
GRID = 6  # side of the last map at 224 px
HIDDEN = 4096
SMALLEST = 63  # px: three 3/2 pools behind a stride of 4


class AlexNet(nn.Module):
    """Five convolutions, three linear layers. (N, C, H, W) -> (N, classes)."""

    aux_weight = AUX_WEIGHT

    def __init__(self, towers: Towers, plan: Plan, recipe: Recipe) -> None:
        super().__init__()
        classes = plan.classes or 0
        stages = _stages(towers, plan.in_channels or 0, recipe)
        self.features = nn.Sequential(*(part for stage in stages for part in stage))
        self.avgpool = nn.AdaptiveAvgPool2d(GRID)
        self.classifier = nn.Sequential(
            nn.Dropout(recipe.dropout),
            nn.Linear(towers.widths[-1] * GRID * GRID, HIDDEN),
            recipe.act(HIDDEN),
            nn.Dropout(recipe.dropout),
            nn.Linear(HIDDEN, HIDDEN),
            recipe.act(HIDDEN),
            head(HIDDEN, classes),
        )
        self.aux = AuxHead(towers.widths[2], classes) if plan.choices.aux and classes else None
        self.middle = sum(map(len, stages[:3]))

    @property
    def heads(self) -> tuple[str, ...]:
        """Paths of the logits layers, the main one first."""
        return ("classifier.6",) if self.aux is None else ("classifier.6", "aux.fc")

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes), of images (N, C, H, W) of 63 px or more."""
        return self._classify(self.features(fits(x, SMALLEST)))

    def forward_aux(self, x: Tensor) -> Output:
        """Logits, and in training those of the head on conv3 where there is one."""
        half = self.features[: self.middle](fits(x, SMALLEST))
        logits = self._classify(self.features[self.middle :](half))
        if self.aux is None or not self.training:
            return Output(logits, {})
        return Output(logits, {"aux": self.aux(half)})

    def _classify(self, x: Tensor) -> Tensor:
        x = self.avgpool(x).flatten(1)  # (N, 256, 6, 6) -> (N, 9216)
        logits: Tensor = self.classifier(x)
        return logits


def _stages(towers: Towers, c_in: int, recipe: Recipe) -> list[list[nn.Module]]:
    """The modules of conv1 .. conv5: convolution, norm, activation, response norm, pool."""
    one, two, three, four, five = towers.widths
    g = towers.groups
    convs = (
        nn.Conv2d(c_in, one, 11, 4, padding=2),  # 224 -> 55, pooled to 27
        nn.Conv2d(one, two, 5, padding=2, groups=g),  # 27, pooled to 13
        nn.Conv2d(two, three, 3, padding=1),  # 13
        nn.Conv2d(three, four, 3, padding=1, groups=g),  # 13
        nn.Conv2d(four, five, 3, padding=1, groups=g),  # 13, pooled to 6
    )
    stages: list[list[nn.Module]] = []
    for order, (conv, width) in enumerate(zip(convs, towers.widths, strict=True), 1):
        responds = recipe.response_layers() if order <= 2 else ()  # sec. 3.3
        pools = (nn.MaxPool2d(3, 2),) if order in (1, 2, 5) else ()  # overlapping: sec. 3.4
        stages.append([conv, *recipe.norm_layers(width), recipe.act(width), *responds, *pools])
    return stages


def build_alexnet(plan: Plan, shape: Shape) -> AlexNet:
    """The net of the plan's variant."""
    return AlexNet(FORMS[plan.variant], plan, recipe(plan.choices))


def paper_init(path: str, layer: nn.Module, act: str) -> tuple[Law, Law]:
    """Sec. 5: N(0, .01²); biases 1 in conv2, conv4, conv5 (those in groups) and hidden linears."""
    hidden = isinstance(layer, nn.Linear) and act != "identity"
    grouped = isinstance(layer, nn.Conv2d) and layer.groups > 1
    return Law("normal", 0.01), Law("constant", 1.0) if hidden or grouped else ZERO


ALEXNET = Card(
    name="alexnet",
    family="alexnet",
    paper="Krizhevsky et al., NIPS 2012",
    year=2012,
    build=build_alexnet,
    input=(3, 224, 224),
    smallest=SMALLEST,
    classes=1000,
    variants=(
        Variant(
            "published",
            61_100_840,
            714_188_480,
            Choices("relu", "none", "paper", "none", 0, 0.5),
            scheme("torch"),  # as the checkpoint's reference
            "one tower, widths 64-192-384-256-256, no response norm",
        ),
        Variant(
            "paper",
            60_965_224,
            724_406_816,
            Choices("relu", "lrn", "paper", "none", 0, 0.5),
            paper_init,
            "two towers as groups in conv2, conv4 and conv5; response norm behind conv1 and conv2",
        ),
    ),
    norms=NORMS,
    heads=1,
    train=TrainChoices(lr=0.01, batch=128, l2=5e-4),
    weights=tags("alexnet"),
    stages=("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7"),
    aux_at=("conv3",),
    printed=PRINTED["alexnet"],
)
CARDS = (ALEXNET,)
