"""A card fills a plan, and refuses what it cannot take in one line that says what it can."""

from dataclasses import replace

import pytest

from undertow.core.errors import UsageError
from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.models import card, default_plan, fit_input, resolve, smallest_input


def test_every_choice_is_filled_by_the_cards_own() -> None:
    plan = resolve(Plan("vgg16_bn"))
    assert plan.choices == Choices("relu", "batch", "paper", "none", 0, 0.5)
    assert (plan.classes, plan.in_channels, plan.train.lr) == (1000, 3, 0.01)
    assert resolve(Plan("conv")).sizes == (("depth", 20), ("width", 32), ("pool_at", ()))


def test_given_choices_stay_and_short_words_grow() -> None:
    choices = Choices(act="gelu", norm="group", init="he", dropout=0.0)
    plan = resolve(Plan("vgg11", choices, classes=7, train=TrainChoices(lr=0.3)))
    assert plan.choices == Choices("gelu", "group", "he-normal", "none", 0, 0.0)
    assert (plan.classes, plan.train.lr) == (7, 0.3)


def test_resolving_twice_changes_nothing() -> None:
    for name, shape in (("mlp", (1, 8, 8)), ("conv", (3, 9, 9)), ("vgg11", (1, 32, 32))):
        plan = resolve(Plan(name), shape)
        assert resolve(plan, shape) == resolve(plan) == plan


@pytest.mark.parametrize(
    ("optimizer", "lr"), [("sgd", 0.02), ("adam", 1e-3), ("adamw", 1e-3), ("rmsprop", 1e-2)]
)
def test_the_rate_follows_the_optimiser(optimizer: str, lr: float) -> None:
    assert resolve(Plan("conv", train=TrainChoices(optimizer=optimizer))).train.lr == lr


def test_channels_and_features_come_from_the_data() -> None:
    assert resolve(Plan("conv"), (3, 10, 10)).in_channels == 3
    assert resolve(Plan("mlp"), (1, 8, 8)).in_channels == 64
    assert resolve(Plan("mlp"), (30,)).in_channels == 30
    assert resolve(Plan("mlp", in_channels=1), (1, 8, 8)).in_channels == 64
    with pytest.raises(UsageError, match="in_channels=3 does not fit inputs of 1x8x8; give 1"):
        resolve(Plan("conv", in_channels=3), (1, 8, 8))


@pytest.mark.parametrize("aux", [True, 1])
def test_auxiliary_heads_are_counted(aux: bool | int) -> None:
    assert resolve(Plan("conv", Choices(aux=aux))).choices.aux == 1
    assert resolve(Plan("conv", Choices(aux=False))).choices.aux == 0


REFUSED = [
    (Plan("vgg99"), "model='vgg99' is unknown"),
    (Plan("vgg11", variant="original"), "variant='original' is unknown"),
    (Plan("conv", variant="paper"), "conv has no variant='paper'; choose published"),
    (Plan("vgg11_bn", variant="paper"), "choose published"),
    (Plan("conv", Choices(act="rellu")), r"act='rellu' is unknown \(did you mean relu\?\)"),
    (Plan("conv", Choices(norm="bach")), "did you mean batch"),
    (Plan("mlp", Choices(norm="instance")), "choose none, batch, group, layer"),
    (Plan("mlp", Choices(norm="lrn")), "mlp takes no norm='lrn'"),
    (Plan("vgg16", Choices(norm="lrn")), "vgg16 takes no norm='lrn'"),
    (Plan("vgg16", Choices(skip="projection")), "choose none"),
    (Plan("conv", Choices(init="kaiming")), "init='kaiming' is unknown"),
    (Plan("conv", Choices(aux=2)), "choose 0 to 1"),
    (Plan("conv", Choices(aux=-1)), "choose 0 to 1"),
    (Plan("conv", classes=-1), "classes=-1 does not build"),
    (Plan("conv", in_channels=0), "in_channels=0 does not build"),
    (Plan("mlp", sizes=(("pool_at", (2,)),)), "size of mlp='pool_at' is unknown"),
    (Plan("vgg11", sizes=(("depth", 3),)), "size of vgg11='depth' is unknown"),
]


@pytest.mark.parametrize(("plan", "message"), REFUSED, ids=[m for _, m in REFUSED])
def test_what_cannot_be_taken_is_refused(plan: Plan, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve(plan)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("vgg11", (3, 31, 64), "needs 32 px or more a side and the input has 31x64"),
        ("vgg11", (300,), "takes images .* not 300"),
        ("conv", (64,), "or use mlp"),
    ],
)
def test_small_inputs_are_refused(name: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        fit_input(Plan(name), shape)


def test_the_smallest_input_fits_and_one_pixel_less_does_not() -> None:
    pooled = Plan("conv", Choices(norm="instance"), (("pool_at", (1, 2)),))
    for plan, side in ((Plan("vgg19"), 32), (pooled, 8), (Plan("conv"), 1)):
        channels, *size = smallest_input(plan)
        assert size == [side, side]
        assert fit_input(plan, (channels, side, side)) == (channels, side, side)
        with pytest.raises(UsageError, match=r"px|fit"):
            fit_input(plan, (channels, side - 1, side))
    assert smallest_input(Plan("mlp")) == (256,)


def test_the_default_plan_is_trained_as_the_card_says() -> None:
    plan = default_plan("vgg16")
    assert plan == replace(Plan("vgg16"), train=card("vgg16").train)
    assert (plan.train.batch, plan.train.l2, plan.train.momentum) == (256, 5e-4, 0.9)
