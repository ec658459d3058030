"""ResNets for CIFAR-10. He et al., CVPR 2016, sec. 4.2: 6n+2 layers of 3x3, shortcuts option A.

Option A's zero channels stand half in front and half behind, as the published files were trained
(Idelbayev's re-run, whose names the parameters have). An auxiliary head, which the paper has not,
looks at layer2: half the depth.
"""

from functools import partial

from torch import Tensor, nn

from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.core.words import SKIPS
from undertow.models.card import Card, Printed, Shape, Variant
from undertow.models.resnet import BasicBlock, Column, paper_init
from undertow.models.weights import tags
from undertow.nn.auxiliary import AUX_WEIGHT, AuxHead, Output
from undertow.nn.entry import fits
from undertow.nn.recipe import Recipe, head, recipe

WIDTHS = (16, 32, 64)  # of maps of 32, 16 and 8 px


class CifarResNet(nn.Module):
    """Stem, three stages of n blocks, global average, linear. (N, C, H, W) -> (N, classes)."""

    aux_weight = AUX_WEIGHT

    def __init__(self, blocks: int, plan: Plan, recipe: Recipe) -> None:
        super().__init__()
        classes = plan.classes or 0
        column = Column(BasicBlock, (blocks,) * len(WIDTHS))
        self.smallest = smallest(plan)
        self.conv1 = nn.Conv2d(plan.in_channels or 0, 16, 3, padding=1, bias=recipe.needs_bias)
        self.bn1 = recipe.norm_or_identity(16)
        self.act = recipe.act(16)
        self.layer1 = column.stage(16, 16, 0, recipe)
        self.layer2 = column.stage(16, 32, 1, recipe)
        self.layer3 = column.stage(32, 64, 2, recipe)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(recipe.dropout)
        self.linear = head(64, classes)
        self.aux = AuxHead(32, classes) if plan.choices.aux and classes else None

    @property
    def heads(self) -> tuple[str, ...]:
        """Paths of the logits layers, the main one first."""
        return ("linear",) if self.aux is None else ("linear", "aux.fc")

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
        x = self.act(self.bn1(self.conv1(fits(x, self.smallest))))  # -> (N, 16, 32, 32) at 32
        half: Tensor = self.layer2(self.layer1(x))  # 32 -> 16
        return half

    def _upper(self, x: Tensor) -> Tensor:
        x = self.avgpool(self.layer3(x)).flatten(1)  # 8 -> (N, 64)
        logits: Tensor = self.linear(self.dropout(x))
        return logits


def smallest(plan: Plan) -> int:
    """1 px; more where a norm would see one value: instance, and groups of one channel."""
    return {"instance": 5, "group": 3}.get(str(plan.choices.norm), 1)


def build_cifar(blocks: int, plan: Plan, shape: Shape) -> CifarResNet:
    """The net of `blocks` blocks a stage."""
    return CifarResNet(blocks, plan, recipe(plan.choices))


COUNTS = {  # depth: parameters and multiply-adds with option A at 32 px and 10 classes
    20: (269_722, 40_551_040),
    32: (464_154, 68_862_592),
    44: (658_586, 97_174_144),
    56: (853_018, 125_485_696),
    110: (1_727_962, 252_887_680),
    1202: (19_421_274, 2_829_238_912),
}
RERUN = "akamaster/pytorch_resnet_cifar10; techxzen/pytorch-residual-networks"
ERRORS = {  # depth: the paper's test error in %, and others' re-runs
    20: ("8.75", "8.27; 8.74"),
    32: ("7.51", "7.37; 8.30"),
    44: ("7.17", "6.90; 7.16"),
    56: ("6.97", "6.61; 7.41"),
    110: ("6.43 (6.61 ± 0.16)", "6.32"),
    1202: ("7.93", ""),
}
PLAIN_ERRORS = {20: "10.08", 32: "11.15", 44: "14.12", 56: "15.39"}  # re-run: techxzen


def _card(depth: int, plain: bool) -> Card:
    parameters, macs = COUNTS[depth]
    own = Choices("relu", "batch", "paper", "none" if plain else "zero-pad", 0, 0.0)
    paper, others = ("curves only", PLAIN_ERRORS.get(depth, "")) if plain else ERRORS[depth]
    printed = Printed("test error on CIFAR-10, %", paper, others, f"table 6; re-run: {RERUN}")
    name = f"cifar_{'plain' if plain else 'resnet'}{depth}"
    return Card(
        name=name,
        family="cifar_resnet",
        paper="He et al., CVPR 2016",
        year=2015,
        build=partial(build_cifar, (depth - 2) // 6),
        input=(3, 32, 32),
        smallest=1,
        classes=10,
        variants=tuple(
            Variant(v, parameters, macs, own, paper_init) for v in ("published", "paper")
        ),
        skips=SKIPS,
        heads=1,
        train=TrainChoices(lr=0.1, batch=128, l2=1e-4),
        weights=tags(name),
        stages=("stem", "layer1", "layer2", "layer3"),
        smallest_for=smallest,
        aux_at=("layer2",),
        printed=(printed,),
    )


DEEPEST_PLAIN = 110  # the paper trains no deeper one
CARDS = (
    *(_card(depth, plain=False) for depth in COUNTS),
    *(_card(depth, plain=True) for depth in COUNTS if depth <= DEEPEST_PLAIN),
)
