"""The loop: forward, backward, measure, clip, one step, record. Nothing else trains here."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from undertow.core.plan import TrainChoices
from undertow.core.record import Scalars
from undertow.data.feed import Group, Micro
from undertow.nn.loss import Criterion
from undertow.train.evaluation import evaluate, hits, re_estimate
from undertow.train.heads import Forward
from undertow.train.schedule import rate_factor
from undertow.train.stepper import stepper

__all__ = [
    "Forward",
    "How",
    "Penalties",
    "Step",
    "evaluate",
    "penalties",
    "rate_factor",
    "re_estimate",
    "steps",
    "walk",
]


NOTHING: AbstractContextManager[object] = nullcontext()
HALF = (torch.bfloat16, torch.float16)
NO_HEADS: dict[str, Tensor] = {}


@dataclass(frozen=True)
class Penalties:
    """What is added to the gradient, and where it is cut, between backward and step."""

    l1: float = 0.0
    clip_norm: float | None = None
    clip_value: float | None = None


def penalties(choices: TrainChoices) -> Penalties:
    """The penalties and clips of training choices (l2 is the optimiser's)."""
    return Penalties(choices.l1, choices.clip_norm, choices.clip_value)


@dataclass(frozen=True, eq=False)
class How:
    """How one step is taken.

    Attributes:
        loss_fn: (outputs, targets) -> the mean loss of a micro-batch.
        extra: penalties and clips.
        factor: step -> what the base rates are multiplied by.
        mass: labels -> what their losses weigh in all: samples, or the sum of class weights.
        forward: inputs -> outputs and the auxiliary outputs; None calls the net.
        autocast: makes the context of the forward pass.
        scaler: of the loss in fp16; None for fp32 and bf16.
        world: processes whose gradients are averaged after backward.
        apart: makes the context in which they are not averaged yet.
        gather: adds a tensor of numbers over all processes.
        aux_weight: share of each auxiliary loss.
        finished: called after every step that was taken.
        begin: called with every step once its rates are set, before its forward pass.
    """

    loss_fn: Criterion
    extra: Penalties = Penalties()
    factor: Callable[[int], float] = lambda _: 1.0
    mass: Callable[[Tensor], float] = len
    forward: Forward | None = None
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext
    scaler: torch.amp.GradScaler | None = None
    world: int = 1
    apart: Callable[[], AbstractContextManager[object]] = nullcontext
    gather: Callable[[Tensor], Tensor] = lambda numbers: numbers
    aux_weight: float = 0.0
    finished: Callable[[], None] = lambda: None
    begin: Callable[[int], None] = lambda _: None


class Step(NamedTuple):
    """One step that was tried: its scalars, its loss with the labels, the parts of the loss."""

    scalars: Scalars
    loss: Tensor
    y: Tensor
    aux: float = 0.0
    good: bool = True


def steps(
    net: nn.Module,
    optimizer: Optimizer,
    batches: Iterable[tuple[Tensor, Tensor]],
    loss_fn: Criterion,
    extra: Penalties,
    factor: Callable[[int], float] = lambda _: 1.0,
    start: int = 0,
) -> Iterator[tuple[Scalars, Tensor, Tensor]]:
    """Train step by step, a batch each; after each step yields (scalars, the loss, the labels).

    Scalars hold the loss before the step, the rate, the L2 norm of all gradients before clipping
    and the batch's share right. Ends after the first loss that is not finite, without its step.
    """
    groups = (Group((Micro(x, y),), y) for x, y in batches)
    for done in walk(net, optimizer, groups, How(loss_fn, extra, factor), start):
        yield done.scalars, done.loss, done.y


def walk(
    net: nn.Module, optimizer: Optimizer, groups: Iterable[Group], how: How, start: int = 0
) -> Iterator[Step]:
    """Train step by step, a group of micro-batches each; yields after each step.

    The gradient of a step is that of the mean loss over all samples of its group, on all ranks.
    Ends after the first loss or gradient that is not finite, without its step; in fp16 such a
    step is skipped, neither schedule nor averages advance, and more than 20 in a row end it.
    """
    net.train()
    base = [float(g.setdefault("initial_lr", g["lr"])) for g in optimizer.param_groups]
    params = [p for g in optimizer.param_groups for p in g["params"]]
    move = stepper(optimizer)
    for step, group in enumerate(groups, start):
        factor = how.factor(step)
        for held, lr in zip(optimizer.param_groups, base, strict=True):
            held["lr"] = lr * factor
        how.begin(step)
        for p in params:
            p.grad = None  # what `zero_grad` does, without its entry in the profiler
        made = _passes(net, group, how)
        rate = float(optimizer.param_groups[0]["lr"])
        if not math.isfinite(made.value) and how.scaler is None:
            yield Step(Scalars(step, made.value, rate), made.loss, made.y, made.aux, good=False)
            return
        norm, after = _between(params, how, optimizer)
        if how.scaler is None and not math.isfinite(norm) and _spoilt(params):
            scalars = _scalars(step, made, rate, (norm, after))
            yield Step(scalars, made.loss, made.y, made.aux, good=False)
            return
        taken = _stepped(optimizer, how.scaler, move)
        if taken:
            how.finished()
        scalars = _scalars(step, made, rate, (norm, after), None if taken else 1.0)
        yield Step(scalars, made.loss, made.y, made.aux)


class _Passes(NamedTuple):
    """What the passes of a step found: its loss, as a number too, its labels, the share right.

    Of mixed inputs that is the share answered by their main label.
    """

    loss: Tensor
    value: float
    y: Tensor
    right: float | None
    aux: float
    mixed: bool


def _scalars(
    step: int,
    made: _Passes,
    rate: float,
    norms: tuple[float, float | None],
    skipped: float | None = None,
) -> Scalars:
    """As they are recorded; the share right under the name of what it is."""
    plain, mixed = (None, made.right) if made.mixed else (made.right, None)
    norm, after = norms
    return Scalars(step, made.value, rate, norm, plain, after, skipped, mixed)


class _Part(NamedTuple):
    """What one micro-batch found; `right` of `judged` samples."""

    loss: Tensor
    value: float
    aux: float
    right: int
    judged: int


def _passes(net: nn.Module, group: Group, how: How) -> _Passes:
    """Forward and backward of every micro-batch; the gradients are then those of the step."""
    mixed = group.micro[0].other is not None
    if len(group.micro) == 1 and how.world == 1:
        only, y = _pass(net, group.micro[0], 1.0, how), group.micro[0].y
        right = only.right / only.judged if only.judged else None
        return _Passes(only.loss, only.value, y, right, only.aux, mixed)
    total, sums = how.mass(group.labels), [0.0] * 4  # loss, auxiliary losses, right, judged
    for micro in group.micro:
        share = how.mass(micro.y) / total
        with NOTHING if micro is group.micro[-1] else how.apart():
            part = _pass(net, micro, share, how)
        if not math.isfinite(part.value) and how.world == 1 and how.scaler is None:
            return _Passes(part.loss, part.value, micro.y, None, 0.0, mixed)
        found = (part.value * share, part.aux * share, part.right, part.judged)
        sums = [a + b for a, b in zip(sums, found, strict=True)]
    if how.world > 1:
        sums = how.gather(torch.tensor(sums, dtype=torch.float64)).tolist()
    loss, aux, good, seen = sums
    y = torch.cat([m.y for m in group.micro])
    return _Passes(torch.tensor(loss), loss, y, good / seen if seen else None, aux, mixed)


def _pass(net: nn.Module, micro: Micro, share: float, how: How) -> _Part:
    """Forward and backward of one micro-batch; `share` is its part of the step on all ranks.

    A loss that is not finite has no backward, but where other ranks wait for it.
    """
    with how.autocast():
        out, heads = how.forward(micro.x) if how.forward else (net(micro.x), NO_HEADS)
    loss, extra = _loss(out, heads, micro, how)
    value, aux = loss.item(), extra.item() if isinstance(extra, Tensor) else 0.0
    if not math.isfinite(value) and how.world == 1 and how.scaler is None:
        return _Part(loss.detach(), value, 0.0, 0, 0)
    whole = loss + extra if aux else loss
    if share * how.world != 1:
        whole = whole * (share * how.world)
    (how.scaler.scale(whole) if how.scaler else whole).backward()
    right = hits(out, micro.main)
    judged = 0 if right is None else len(micro.y)
    return _Part(loss.detach(), value, aux, right or 0, judged)


def _loss(
    out: Tensor, heads: dict[str, Tensor], micro: Micro, how: How
) -> tuple[Tensor, Tensor | float]:
    """(main loss, weighted auxiliary losses), both in fp32."""
    extra: Tensor | float = 0.0
    for head in heads.values():
        extra = extra + how.aux_weight * _one(head, micro, how)
    return _one(out, micro, how), extra


def _one(outputs: Tensor, micro: Micro, how: How) -> Tensor:
    if outputs.dtype in HALF:
        outputs = outputs.float()
    loss = how.loss_fn(outputs, micro.y)
    if micro.other is None:
        return loss
    return micro.share * loss + (1 - micro.share) * how.loss_fn(outputs, micro.other)


def _between(
    params: list[nn.Parameter], how: How, optimizer: Optimizer
) -> tuple[float, float | None]:
    """Penalty, norm, clips; the norm before the clips and, where they cut, after them."""
    extra = how.extra
    if how.scaler is not None:
        how.scaler.unscale_(optimizer)
    if extra.l1:
        for p in params:
            if p.grad is not None:
                p.grad.add_(torch.sign(p.detach()), alpha=extra.l1)
    before = l2(params)
    if extra.clip_norm is None and extra.clip_value is None:
        return before, None
    if extra.clip_norm is not None:
        nn.utils.clip_grads_with_norm_(params, extra.clip_norm, torch.tensor(before))
    if extra.clip_value is not None:
        nn.utils.clip_grad_value_(params, extra.clip_value)
    after = l2(params)
    return before, after if after < before * (1 - CUT) else None


FEW = 64  # gradients up to which Python adds their norms faster than another kernel
MOST = torch.finfo(torch.float32).max
CUT = 1e-6  # relative: a norm that is smaller by more was cut, not rounded


def l2(params: list[nn.Parameter]) -> float:
    """The L2 norm of all gradients as one vector."""
    grads = [p.grad for p in params if p.grad is not None]
    if not grads or len(grads) > FEW or not all(g.is_cpu for g in grads):
        return float(nn.utils.get_total_norm(grads))
    norms = [n.item() for n in torch._foreach_norm(grads)]
    whole = math.hypot(*norms)
    return math.inf if whole > MOST else whole  # as fp32 has it; NaN stays NaN


def _spoilt(params: list[nn.Parameter]) -> bool:
    """Whether a gradient entry is NaN or infinite: the norm alone can overflow in fp32."""
    return any(p.grad is not None and not bool(torch.isfinite(p.grad).all()) for p in params)


def _stepped(
    optimizer: Optimizer, scaler: torch.amp.GradScaler | None, move: Callable[[], object]
) -> bool:
    if scaler is None:
        move()
        return True
    before = scaler.get_scale()
    scaler.step(optimizer)
    scaler.update()
    return bool(scaler.get_scale() >= before)
