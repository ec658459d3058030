"""GoogLeNet. Szegedy et al., CVPR 2015, table 1.

Published: batch norm (eps 1e-3) instead of biases, a 3x3 in the branch the paper calls 5x5, and a
fourth pool of 2/2. Paper: the 5x5, local response norms, biases, the fourth pool of 3/2; its
initialisation and response norms (k 1, α over the mean) are those of the Caffe release. The
auxiliary heads pool 5/3; off 224 px their maps are then averaged to 4x4 as the published ones are.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.core.words import NORMS
from undertow.models.card import Card, Shape, Variant
from undertow.models.printed import PRINTED
from undertow.models.weights import tags
from undertow.nn.auxiliary import AUX_WEIGHT, AuxClassifier, Output
from undertow.nn.convolution import ConvNorm
from undertow.nn.entry import fits, from_imagenet
from undertow.nn.init import Law, scheme
from undertow.nn.recipe import Recipe, head, recipe

EPS = 1e-3  # of the published norms
CAFFE_K = 1.0  # of the response norms


@dataclass(frozen=True, slots=True)
class Widths:
    """A row of table 1: channels of each branch, the reducing 1x1 before the wide one."""

    one: int
    three: tuple[int, int]
    five: tuple[int, int]
    pool: int

    @property
    def out(self) -> int:
        """Channels of the concatenation."""
        return self.one + self.three[1] + self.five[1] + self.pool


TABLE_1 = {
    "3a": Widths(64, (96, 128), (16, 32), 32),
    "3b": Widths(128, (128, 192), (32, 96), 64),
    "4a": Widths(192, (96, 208), (16, 48), 64),
    "4b": Widths(160, (112, 224), (24, 64), 64),
    "4c": Widths(128, (128, 256), (24, 64), 64),
    "4d": Widths(112, (144, 288), (32, 64), 64),
    "4e": Widths(256, (160, 320), (32, 128), 128),
    "5a": Widths(256, (160, 320), (32, 128), 128),
    "5b": Widths(384, (192, 384), (48, 128), 128),
}


@dataclass(frozen=True, slots=True)
class Form:
    """What the variants differ in beside the norm."""

    kernel: int  # of the branch called 5x5
    pool4: int  # kernel of the fourth pool
    aux_pool: bool  # whether the heads average 5/3 first


FORMS = {"published": Form(3, 2, aux_pool=False), "paper": Form(5, 3, aux_pool=True)}


class Inception(nn.Module):
    """Four branches side by side (fig. 2b). (N, C_in, H, W) -> (N, widths.out, H, W)."""

    def __init__(self, c_in: int, widths: Widths, recipe: Recipe, kernel: int = 5) -> None:
        super().__init__()
        (r3, w3), (r5, w5) = widths.three, widths.five
        self.branch1 = ConvNorm(c_in, widths.one, 1, recipe)
        self.branch2 = nn.Sequential(
            ConvNorm(c_in, r3, 1, recipe), ConvNorm(r3, w3, 3, recipe, padding=1)
        )
        self.branch3 = nn.Sequential(
            ConvNorm(c_in, r5, 1, recipe), ConvNorm(r5, w5, kernel, recipe, padding=kernel // 2)
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, 1, padding=1, ceil_mode=True), ConvNorm(c_in, widths.pool, 1, recipe)
        )

    def forward(self, x: Tensor) -> Tensor:
        """The branches' maps, concatenated."""
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class GoogLeNet(nn.Module):
    """Stem, nine Inception modules, global average, linear. (N, C, H, W) -> (N, classes)."""

    aux_weight = AUX_WEIGHT

    def __init__(self, form: Form, plan: Plan, recipe: Recipe) -> None:
        super().__init__()
        classes = plan.classes or 0
        heads = int(plan.choices.aux or 0) if classes else 0
        self.smallest, self.smallest_aux = smallest(plan, aux=False), smallest(plan)
        self.transform_input = False  # switched on by weights that want it
        self.conv1 = ConvNorm(plan.in_channels or 0, 64, 7, recipe, stride=2, padding=3)
        self.maxpool1 = nn.Sequential(_pool(), *recipe.response_layers(CAFFE_K, "mean"))
        self.conv2 = ConvNorm(64, 64, 1, recipe)
        self.conv3 = ConvNorm(64, 192, 3, recipe, padding=1)
        self.maxpool2 = nn.Sequential(*recipe.response_layers(CAFFE_K, "mean"), _pool())
        self.inception3a = Inception(192, TABLE_1["3a"], recipe, form.kernel)
        self.inception3b = Inception(256, TABLE_1["3b"], recipe, form.kernel)
        self.maxpool3 = _pool()
        self.inception4a = Inception(480, TABLE_1["4a"], recipe, form.kernel)
        self.inception4b = Inception(512, TABLE_1["4b"], recipe, form.kernel)
        self.inception4c = Inception(512, TABLE_1["4c"], recipe, form.kernel)
        self.inception4d = Inception(512, TABLE_1["4d"], recipe, form.kernel)
        self.inception4e = Inception(528, TABLE_1["4e"], recipe, form.kernel)
        self.maxpool4 = _pool(form.pool4)
        self.inception5a = Inception(832, TABLE_1["5a"], recipe, form.kernel)
        self.inception5b = Inception(832, TABLE_1["5b"], recipe, form.kernel)
        lower, upper = (heads > 1, heads > 0)
        self.aux1 = AuxClassifier(512, classes, recipe, form.aux_pool) if lower else None
        self.aux2 = AuxClassifier(528, classes, recipe, form.aux_pool) if upper else None
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(recipe.dropout)
        self.fc = head(1024, classes)

    @property
    def heads(self) -> tuple[str, ...]:
        """Paths of the logits layers, the main one first."""
        aux = (("aux1.fc2", self.aux1), ("aux2.fc2", self.aux2))
        return ("fc", *(path for path, module in aux if module is not None))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes), of images (N, C, H, W)."""
        return self._upper(self._middle(self._lower(fits(x, self.smallest))))

    def forward_aux(self, x: Tensor) -> Output:
        """Logits, and in training those of the heads: "aux1" on 4a, "aux2" on 4d."""
        training = self.training and self.aux2 is not None
        lower = self._lower(fits(x, self.smallest_aux if training else self.smallest))
        middle = self._middle(lower)
        logits = self._upper(middle)
        seen = (("aux1", self.aux1, lower), ("aux2", self.aux2, middle)) if training else ()
        return Output(logits, {name: aux(half) for name, aux, half in seen if aux is not None})

    def _lower(self, x: Tensor) -> Tensor:
        x = from_imagenet(x) if self.transform_input else x
        x = self.maxpool1(self.conv1(x))  # 224 -> (N, 64, 112, 112) -> 56
        x = self.maxpool2(self.conv3(self.conv2(x)))  # (N, 192, 56, 56) -> 28
        x = self.maxpool3(self.inception3b(self.inception3a(x)))  # (N, 480, 28, 28) -> 14
        half: Tensor = self.inception4a(x)  # (N, 512, 14, 14)
        return half

    def _middle(self, x: Tensor) -> Tensor:
        half: Tensor = self.inception4d(self.inception4c(self.inception4b(x)))
        return half  # (N, 528, 14, 14)

    def _upper(self, x: Tensor) -> Tensor:
        x = self.maxpool4(self.inception4e(x))  # (N, 832, 14, 14) -> 7
        x = self.avgpool(self.inception5b(self.inception5a(x))).flatten(1)  # (N, 1024)
        logits: Tensor = self.fc(self.dropout(x))
        return logits


def _pool(kernel: int = 3) -> nn.Module:
    return nn.MaxPool2d(kernel, 2, ceil_mode=True)


def smallest(plan: Plan, aux: bool = True) -> int:
    """Side in pixels that leaves a map for every pool, and two positions where a norm needs them.

    Args:
        plan: resolved.
        aux: whether its auxiliary heads run too.
    """
    alone = plan.choices.norm in ("instance", "group")  # groups of 16 channels are of one
    if plan.variant == "published":
        return 47 if alone else 15
    if aux and plan.choices.aux:
        return 79
    return 63 if alone else 31


def build_googlenet(plan: Plan, shape: Shape) -> GoogLeNet:
    """The net of the plan's variant."""
    return GoogLeNet(FORMS[plan.variant], plan, recipe(plan.choices, eps=EPS))


def published_init(path: str, layer: nn.Module, act: str) -> tuple[Law, Law]:
    """As the checkpoint's reference: normal of .01 (truncated at 200 of them), torch's biases."""
    return Law("normal", 0.01), scheme("torch")(path, layer, act)[1]


def paper_init(path: str, layer: nn.Module, act: str) -> tuple[Law, Law]:
    """As the Caffe release: Xavier, biases .2."""
    return scheme("xavier-uniform")(path, layer, act)[0], Law("constant", 0.2)


GOOGLENET = Card(
    name="googlenet",
    family="googlenet",
    paper="Szegedy et al., CVPR 2015",
    year=2014,
    build=build_googlenet,
    input=(3, 224, 224),
    smallest=15,
    classes=1000,
    variants=(
        Variant(
            "published",
            6_624_904,
            1_498_376_192,
            Choices("relu", "batch", "paper", "none", 0, 0.2),
            published_init,
            "batch norm, 3x3 in the 5x5 branch, fourth pool 2/2, no heads",
            (3_188_968, 3_191_016),
        ),
        Variant(
            "paper",
            13_378_280,
            1_582_671_872,
            Choices("relu", "lrn", "paper", "none", 2, 0.4),
            paper_init,
            "5x5 branch, response norms, biases, fourth pool 3/2, two heads",
            (3_188_840, 3_190_888),
        ),
    ),
    norms=NORMS,
    heads=2,
    train=TrainChoices(lr=0.01, batch=32, l2=2e-4),
    weights=tags("googlenet"),
    stages=("stem", "3", "4", "5"),
    smallest_for=smallest,
    aux_at=("4a", "4d"),
    printed=PRINTED["googlenet"],
)
CARDS = (GOOGLENET,)
