"""The zoo: its cards, and nets built from plans."""

from dataclasses import replace
from typing import Any, cast

import torch
from torch import nn

from undertow.core.errors import unknown
from undertow.core.plan import Choices, Plan
from undertow.models import (
    alexnet,
    checkpoints,
    googlenet,
    inception,
    plain,
    resnet,
    resnet_cifar,
    vgg,
)
from undertow.models.card import Card, Shape, Size, Variant
from undertow.nn.init import initialise

Given = str | float | tuple[int, ...] | None
CHOICES = ("act", "norm", "init", "skip", "aux", "dropout")
FIELDS = ("variant", "classes", "in_channels", "seed")
CARDS: tuple[Card, ...] = (
    *plain.CARDS,
    *alexnet.CARDS,
    *vgg.CARDS,
    *googlenet.CARDS,
    *inception.CARDS,
    *resnet.CARDS,
    *resnet_cifar.CARDS,
)

__all__ = [
    "CARDS",
    "Card",
    "Variant",
    "blueprint",
    "build",
    "build_plan",
    "card",
    "cards",
    "default_plan",
    "fit_input",
    "plan_of",
    "resolve",
    "smallest_input",
]


def cards() -> tuple[Card, ...]:
    """Every card of the zoo."""
    return CARDS


def card(name: str) -> Card:
    """The card of a name.

    Raises:
        UsageError: no such card; names the nearest.
    """
    for found in CARDS:
        if found.name == name:
            return found
    raise unknown("model", name, [c.name for c in CARDS])


def default_plan(name: str) -> Plan:
    """A card's own plan: nothing chosen, trained as the card says."""
    return Plan(name, train=card(name).train)


def resolve(plan: Plan, input_shape: Shape | None = None) -> Plan:
    """The plan with every None filled by its card's own value, every word checked.

    Args:
        plan: names a card.
        input_shape: of one input of the data; channels and features are taken from it.

    Raises:
        UsageError: a word, size or shape the card does not take.
    """
    return card(plan.model).resolve(plan, input_shape)


def fit_input(plan: Plan, shape: Shape) -> Shape:
    """`shape`, where the plan's net takes such inputs.

    Raises:
        UsageError: the input is too small, or no image where it must be one.
    """
    resolve(plan, shape)
    return shape


def smallest_input(plan: Plan) -> Shape:
    """Shape of the smallest input the plan's net takes; the one shape there is for features.

    Raises:
        UsageError: a word or size the card does not take.
    """
    found = card(plan.model)
    plan = found.resolve(plan)
    side = found.smallest_side(plan)
    return found.shape(plan, None if found.flat else (plan.in_channels or 0, side, side))


def blueprint(plan: Plan, input_shape: Shape | None = None) -> nn.Module:
    """The plan's net on `meta`: shapes without memory or weights, for counting.

    Raises:
        UsageError: as `resolve`, or sizes that do not build.
    """
    found = card(plan.model)
    plan = found.resolve(plan, input_shape)
    with torch.device("meta"):
        return found.build(plan, found.shape(plan, input_shape))


def build_plan(plan: Plan, input_shape: Shape | None = None) -> nn.Module:
    """The plan's net, in training mode, its weights drawn from `plan.seed`.

    The global random state is neither read nor changed; nets of one seed share the draws of every
    parameter whose path and shape agree. init "lsuv" is orthogonal here: `nn.init.lsuv` scales it
    on a batch.

    Args:
        plan: names a card; None choices are the card's own.
        input_shape: of one input of the data; None takes the card's own.

    Raises:
        UsageError: a word, size or shape the card does not take.
    """
    net = blueprint(plan, input_shape)
    found = card(plan.model)
    plan = found.resolve(plan, input_shape)
    net = net.to_empty(device=torch.get_default_device())
    generator = torch.Generator().manual_seed(plan.seed)
    paper = found.variant(plan.variant).init
    initialise(net, str(plan.choices.init), generator, paper=paper)
    return net


def build(name: str, *, weights: str | None = None, **given: Given) -> nn.Module:
    """A net of the zoo by name and choices; what is None or left out is the card's own.

    Args:
        name: a card's name.
        weights: a .safetensors or .pth file whose keys and shapes fit. With `classes` given, a head
            of another size than the file's stays new.
        given: variant, classes (0: features instead of logits), in_channels (for mlp its number of
            features), seed (0 if None); the choices act, norm, init, skip, aux, dropout; and the
            sizes of cards that have them.

    Raises:
        UsageError: names the value, what is allowed and what to do.
    """
    net = build_plan(plan_of(name, **given))
    if weights is not None:
        new = getattr(net, "heads", ()) if given.get("classes") is not None else ()
        checkpoints.load(net, checkpoints.read(weights), new)
    return net


def plan_of(name: str, **given: Given) -> Plan:
    """The card's own plan with choices, sizes and fields set as given; None is left as it is.

    Raises:
        UsageError: no such card, or a name that is neither a choice nor a size nor a field.
    """
    plan = default_plan(name)
    said = {key: value for key, value in given.items() if value is not None}
    sizes = dict(card(name).sizes)
    for key in said:
        if key not in (*CHOICES, *FIELDS, *sizes):
            raise unknown(f"option of {name}", key, (*CHOICES, *FIELDS, *sizes))
    chosen: dict[str, Any] = {k: v for k, v in said.items() if k in CHOICES}
    fields: dict[str, Any] = {k: v for k, v in said.items() if k in FIELDS}
    own = tuple((k, cast(Size, v)) for k, v in said.items() if k in sizes)
    return replace(plan, choices=Choices(**chosen), sizes=own, **fields)
