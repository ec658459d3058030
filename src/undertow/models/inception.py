"""Inception-v3. Szegedy et al., CVPR 2016, as in the published checkpoint.

Where the paper's fig. 5 puts two 3x3 for each 5x5, Mixed_5b .. 5d keep a real 5x5; batch norms
have eps 1e-3. There is no paper variant: the paper's figures do not give all widths. Average pools
count the padding. The auxiliary head looks at Mixed_6e and needs 299 px.
"""

from torch import Tensor, nn

from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.models.card import Card, Shape, Variant
from undertow.models.inception_modules import (
    InceptionA,
    InceptionB,
    InceptionC,
    ReductionA,
    ReductionB,
)
from undertow.models.printed import PRINTED
from undertow.models.weights import tags
from undertow.nn.auxiliary import AUX_WEIGHT, Output
from undertow.nn.convolution import ConvNorm
from undertow.nn.entry import fits, from_imagenet
from undertow.nn.init import Law, scheme
from undertow.nn.recipe import Recipe, head, recipe

EPS = 1e-3  # of every norm


class AuxLogits(nn.Module):
    """The auxiliary head on Mixed_6e. (N, 768, 17, 17) -> (N, classes)."""

    def __init__(self, c_in: int, classes: int, recipe: Recipe) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(5, 3)
        self.conv0 = ConvNorm(c_in, 128, 1, recipe)
        self.conv1 = ConvNorm(128, 768, 5, recipe)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(768, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        x = self.conv1(self.conv0(self.pool(x)))  # 17 -> 5 -> 1
        logits: Tensor = self.fc(self.avgpool(x).flatten(1))
        return logits


class InceptionV3(nn.Module):
    """Table 1 of the paper. (N, C, H, W) -> (N, classes); 299 px are usual."""

    aux_weight = AUX_WEIGHT

    def __init__(self, plan: Plan, recipe: Recipe) -> None:
        super().__init__()
        classes = plan.classes or 0
        aux = bool(plan.choices.aux and classes)
        self.smallest, self.smallest_aux = smallest(plan, aux=False), smallest(plan)
        self.transform_input = False  # switched on by weights that want it
        self.Conv2d_1a_3x3 = ConvNorm(plan.in_channels or 0, 32, 3, recipe, stride=2)
        self.Conv2d_2a_3x3 = ConvNorm(32, 32, 3, recipe)
        self.Conv2d_2b_3x3 = ConvNorm(32, 64, 3, recipe, padding=1)
        self.maxpool1 = nn.MaxPool2d(3, 2)
        self.Conv2d_3b_1x1 = ConvNorm(64, 80, 1, recipe)
        self.Conv2d_4a_3x3 = ConvNorm(80, 192, 3, recipe)
        self.maxpool2 = nn.MaxPool2d(3, 2)
        self.Mixed_5b = InceptionA(192, 32, recipe)
        self.Mixed_5c = InceptionA(256, 64, recipe)
        self.Mixed_5d = InceptionA(288, 64, recipe)
        self.Mixed_6a = ReductionA(288, recipe)
        self.Mixed_6b = InceptionB(768, 128, recipe)
        self.Mixed_6c = InceptionB(768, 160, recipe)
        self.Mixed_6d = InceptionB(768, 160, recipe)
        self.Mixed_6e = InceptionB(768, 192, recipe)
        self.AuxLogits = AuxLogits(768, classes, recipe) if aux else None
        self.Mixed_7a = ReductionB(768, recipe)
        self.Mixed_7b = InceptionC(1280, recipe)
        self.Mixed_7c = InceptionC(2048, recipe)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(recipe.dropout)
        self.fc = head(2048, classes)

    @property
    def heads(self) -> tuple[str, ...]:
        """Paths of the logits layers, the main one first."""
        return ("fc",) if self.AuxLogits is None else ("fc", "AuxLogits.fc")

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes), of images (N, C, H, W)."""
        return self._upper(self._lower(fits(x, self.smallest)))

    def forward_aux(self, x: Tensor) -> Output:
        """Logits, and in training those of the head "aux" on Mixed_6e."""
        if self.AuxLogits is None or not self.training:
            return Output(self(x), {})
        half = self._lower(fits(x, self.smallest_aux))
        return Output(self._upper(half), {"aux": self.AuxLogits(half)})

    def _lower(self, x: Tensor) -> Tensor:
        x = from_imagenet(x) if self.transform_input else x
        x = self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))  # 299 -> 149 -> 147
        x = self.maxpool1(self.Conv2d_2b_3x3(x))  # (N, 64, 147, 147) -> 73
        x = self.maxpool2(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)))  # (N, 192, 71, 71) -> 35
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x)))  # (N, 288, 35, 35)
        x = self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))  # (N, 768, 17, 17)
        half: Tensor = self.Mixed_6e(self.Mixed_6d(x))
        return half

    def _upper(self, x: Tensor) -> Tensor:
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))  # (N, 2048, 8, 8)
        logits: Tensor = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        return logits


def smallest(plan: Plan, aux: bool = True) -> int:
    """Side in pixels that leaves a map for every pool, and two positions where a norm needs them.

    Args:
        plan: resolved.
        aux: whether its auxiliary head runs too: it needs the 17x17 of 299 px.
    """
    alone = plan.choices.norm == "instance"
    if aux and plan.choices.aux:
        return 347 if alone else 299
    return 107 if alone else 75


def build_inception(plan: Plan, shape: Shape) -> InceptionV3:
    """The net, with the published checkpoint's parts."""
    return InceptionV3(plan, recipe(plan.choices, eps=EPS))


def published_init(path: str, layer: nn.Module, act: str) -> tuple[Law, Law]:
    """As the checkpoint's reference: normal of .1, in the auxiliary head .01 and .001.

    The reference truncates at ±2, which is 20 or more of them; biases are torch's own.
    """
    std = {"AuxLogits.conv1.conv": 0.01, "AuxLogits.fc": 0.001}.get(path, 0.1)
    return Law("normal", std), scheme("torch")(path, layer, act)[1]


INCEPTION_V3 = Card(
    name="inception_v3",
    family="inception",
    paper="Szegedy et al., CVPR 2016",
    year=2015,
    build=build_inception,
    input=(3, 299, 299),
    smallest=75,
    classes=1000,
    variants=(
        Variant(
            "published",
            23_834_568,
            5_713_216_096,
            Choices("relu", "batch", "paper", "none", 0, 0.5),
            published_init,
            head_parameters=(3_326_696,),
        ),
    ),
    heads=1,
    train=TrainChoices(optimizer="rmsprop", lr=0.01, batch=32, clip_norm=2.0),
    weights=tags("inception_v3"),
    stages=("stem", "5", "6", "7"),
    smallest_for=smallest,
    aux_at=("Mixed_6e",),
    refused="the paper's fig. 5 has two 3x3 where every checkpoint has a 5x5 (Mixed_5b to 5d)",
    printed=PRINTED["inception_v3"],
)
CARDS = (INCEPTION_V3,)
