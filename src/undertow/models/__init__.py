"""The zoo: its cards, and nets built from plans."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from undertow.core.errors import unknown
from undertow.core.plan import Choices, Plan
from undertow.models import (
    alexnet,
    googlenet,
    inception,
    loading,
    plain,
    resnet,
    resnet_cifar,
    vgg,
)
from undertow.models.card import Card, Shape, Size, Variant
from undertow.models.download import Progress
from undertow.models.loading import Loaded
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
    "load_weights",
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
    net = _emptied(net, torch.get_default_device())
    generator = torch.Generator().manual_seed(plan.seed)
    paper = found.variant(plan.variant).init
    initialise(net, str(plan.choices.init), generator, paper=paper)
    return net


def _emptied(net: nn.Module, device: torch.device) -> nn.Module:
    """`net.to_empty`, which takes a second the first time: it loads sympy for tensors on `meta`."""
    return net._apply(lambda t: torch.empty(t.shape, dtype=t.dtype, device=device))


def build(name: str, *, weights: str | Path | None = None, **given: Given) -> nn.Module:
    """A net of the zoo by name and choices; what is None or left out is the card's own.

    Args:
        name: a card's name.
        weights: as `load_weights`; what to be wary of becomes a Python warning.
        given: variant, classes (0: features instead of logits), in_channels (for mlp its number of
            features), seed (0 if None); the choices act, norm, init, skip, aux, dropout; and the
            sizes of cards that have them.

    Raises:
        UsageError: names the value, what is allowed and what to do.
    """
    plan = plan_of(name, **given)
    net = build_plan(plan)
    if weights is not None:
        for said in load_weights(net, plan, weights).warnings:
            warnings.warn(said, stacklevel=2)
    return net


def load_weights(
    net: nn.Module,
    plan: Plan,
    wanted: str | Path,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Loaded:
    """Weights into the net of a plan, in place: a published tag, a file, or the folder of a run.

    Where the plan gives `classes`, logits layers of another size than the file's stay as drawn.

    Args:
        net: built from `plan`.
        plan: names a card.
        wanted: a tag of the card, a .safetensors or .pth file, or a run.
        folder: where downloads are kept; None: `.cache/undertow/weights` in the home folder.
        progress: called with bytes downloaded so far and in all.

    Returns:
        What was loaded, drawn anew, left out, and what to be wary of.

    Raises:
        UsageError: no such tag or file, a damaged one, or one that does not fit.
        EnvironmentFaultError: a download failed.
    """
    new_head, plan = plan.classes is not None, resolve(plan)
    return loading.load(
        net, plan, wanted, CARDS, new_head=new_head, folder=folder, progress=progress
    )


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
