"""Optimisers: made from choices, re-made on a copy, read as numbers, their rate scaled."""

from collections.abc import Callable, Iterable, Sequence
from difflib import SequenceMatcher
from inspect import signature
from typing import Any

import torch
from torch import nn, optim
from torch.optim import Optimizer

from undertow.core.errors import UsageError, unknown
from undertow.core.plan import TrainChoices
from undertow.core.record import OptimizerFacts

Factory = Callable[[Iterable[nn.Parameter]], Optimizer]
OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop")


FUSED = ("cpu", "cuda")  # devices on which torch has SGD and Adam as one kernel


def from_choices(
    choices: TrainChoices, params: Iterable[Any], *, fused: bool | None = None
) -> Optimizer:
    """The optimiser the training choices name; l2 is its weight decay.

    Args:
        choices: how it is trained.
        params: parameters, or groups of them.
        fused: one kernel for a whole step, where torch has it; None is torch's own choice.

    Raises:
        UsageError: an unknown optimiser word.
    """
    lr = 0.02 if choices.lr is None else choices.lr
    decay = choices.l2
    if choices.optimizer == "sgd":
        momentum = choices.momentum
        return optim.SGD(params, lr=lr, momentum=momentum, weight_decay=decay, fused=fused)
    if choices.optimizer == "adam":
        return optim.Adam(params, lr=lr, weight_decay=decay, fused=fused)
    if choices.optimizer == "adamw":
        return optim.AdamW(params, lr=lr, weight_decay=decay, fused=fused)
    if choices.optimizer == "rmsprop":
        return optim.RMSprop(params, lr=lr, weight_decay=decay)
    raise unknown("optimizer", choices.optimizer, OPTIMIZERS)


def can_fuse(net: nn.Module, precision: str) -> bool:
    """Whether the steps of a net's training can be one kernel each.

    Not in fp16: there the kernel itself leaves out a step, which then looks taken.
    """
    held = list(net.parameters())
    usual = all(p.device.type in FUSED and p.dtype.is_floating_point for p in held)
    return usual and bool(held) and precision != "fp16"


def remake(optimizer: object, net: nn.Module) -> Factory:
    """`(params) -> Optimizer` like the one given, for copies of `net`: class, defaults, groups.

    Args:
        optimizer: an `Optimizer` of `net`'s parameters, or already such a callable.
        net: the module whose parameters the instance holds; its order names the groups.

    Raises:
        UsageError: neither an optimiser nor callable.
    """
    if not isinstance(optimizer, Optimizer):
        if not callable(optimizer):
            raise UsageError(
                f"optimizer={optimizer!r} is none; give an Optimizer or (params) -> Optimizer"
            )
        return optimizer
    own = list(net.parameters())
    order = {id(p): i for i, p in enumerate(own)}
    shapes = [p.shape for p in own]
    plain = [{k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups]
    places = [[order[id(p)] for p in g["params"] if id(p) in order] for g in optimizer.param_groups]
    kind: Any = type(optimizer)
    takes = signature(kind.__init__).parameters
    first = {k: v for k, v in optimizer.defaults.items() if k in takes}

    def make(params: Iterable[nn.Parameter]) -> Optimizer:
        held = list(params)
        now = _moved(shapes, [p.shape for p in held])
        groups = [
            {**options, "params": [held[now[i]] for i in at if i in now]}
            for options, at in zip(plain, places, strict=True)
        ]
        known = set(now.values())
        added = [p for i, p in enumerate(held) if i not in known]
        if added:
            groups[0]["params"] = [*groups[0]["params"], *added]
        return kind([g for g in groups if g["params"]], **first)

    return make


def _moved(before: Sequence[torch.Size], now: Sequence[torch.Size]) -> dict[int, int]:
    """Where each parameter of a net stands in a changed copy: by order and shape.

    Inserted ones (of a norm) have no old place, removed ones no new one; where as many are left as
    there were, but of other shapes, each keeps its place.
    """
    if len(before) == len(now):
        return {i: i for i in range(len(now))}
    match = SequenceMatcher(None, before, now, autojunk=False)
    return {a + i: b + i for a, b, n in match.get_matching_blocks() for i in range(n)}


def scaled(make: Factory, factor: float) -> Factory:
    """The same optimiser with every group's rate times `factor`."""

    def build(params: Iterable[nn.Parameter]) -> Optimizer:
        made = make(params)
        for group in made.param_groups:
            group["lr"] = group["lr"] * factor
        return made

    return build


def facts(optimizer: Optimizer, clip_norm: float | None = None) -> OptimizerFacts:
    """The optimiser in numbers, of its first group."""
    group = optimizer.param_groups[0]
    beta = group.get("momentum", 0.0)
    return OptimizerFacts(
        name=type(optimizer).__name__.lower(),
        lr=float(group["lr"]),
        momentum=float(beta or 0.0),
        nesterov=bool(group.get("nesterov", False)),
        clip_norm=clip_norm,
        weight_decay=float(group.get("weight_decay", 0.0) or 0.0),
    )
