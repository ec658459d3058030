"""The loop: forward, backward, measure, clip, one step, record. Nothing else trains here."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from undertow.core.plan import TrainChoices
from undertow.core.record import Scalars
from undertow.core.run import Evaluation
from undertow.data.arrays import Arrays
from undertow.nn.loss import Criterion

CHUNK = 512  # samples of one forward pass in evaluation
RE_ESTIMATE = 20  # batches over which the running statistics are averaged again


@dataclass(frozen=True)
class Penalties:
    """What is added to the gradient, and where it is cut, between backward and step."""

    l1: float = 0.0
    clip_norm: float | None = None
    clip_value: float | None = None


def penalties(choices: TrainChoices) -> Penalties:
    """The penalties and clips of training choices (l2 is the optimiser's)."""
    return Penalties(choices.l1, choices.clip_norm, choices.clip_value)


def rate_factor(choices: TrainChoices, step: int, total: int) -> float:
    """What the base rate is multiplied by at a step: a pure function, so resume needs only it.

    Linear warm-up over `warm_up` steps, then constant, or cosine to 0 at `total` (Loshchilov &
    Hutter 2017, eq. 5).
    """
    if step < choices.warm_up:
        return (step + 1) / choices.warm_up
    if choices.schedule == "cosine":
        done = (step - choices.warm_up) / max(1, total - choices.warm_up)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return 1.0


def steps(
    net: nn.Module,
    optimizer: Optimizer,
    batches: Iterable[tuple[Tensor, Tensor]],
    loss_fn: Criterion,
    extra: Penalties,
    factor: Callable[[int], float] = lambda _: 1.0,
    start: int = 0,
) -> Iterator[tuple[Scalars, Tensor, Tensor]]:
    """Train step by step; after each step yields (scalars, the loss, the labels).

    Scalars hold the loss before the step, the rate, the L2 norm of all gradients before clipping
    and the batch's share right. Ends after the first loss that is not finite, without its step.
    """
    net.train()
    base = [float(g["lr"]) for g in optimizer.param_groups]
    params = [p for p in net.parameters() if p.requires_grad]
    for step, (x, y) in enumerate(batches, start):
        for group, lr in zip(optimizer.param_groups, base, strict=True):
            group["lr"] = lr * factor(step)
        out = net(x)
        loss = loss_fn(out, y)
        value = loss.detach().item()
        rate = float(optimizer.param_groups[0]["lr"])
        if not math.isfinite(value):
            yield Scalars(step, value, rate), loss.detach(), y
            return
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = _between(params, extra)
        optimizer.step()
        yield Scalars(step, value, rate, norm, _right(out, y)), loss.detach(), y


def _between(params: list[nn.Parameter], extra: Penalties) -> float:
    """Penalty, norm, clips; the norm is of before the clips."""
    if extra.l1:
        for p in params:
            if p.grad is not None:
                p.grad.add_(torch.sign(p.detach()), alpha=extra.l1)
    norm = nn.utils.get_total_norm([p.grad for p in params if p.grad is not None])
    if extra.clip_norm is not None:
        nn.utils.clip_grads_with_norm_(params, extra.clip_norm, norm)
    if extra.clip_value is not None:
        nn.utils.clip_grad_value_(params, extra.clip_value)
    return float(norm)


def _right(out: Tensor, y: Tensor) -> float | None:
    if torch.is_floating_point(y) or out.ndim < 2:
        return None
    guess = out.detach().argmax(1) if out.shape[1] > 1 else (out.detach()[:, 0] > 0).long()
    return float((guess == y).float().mean())


@torch.no_grad()
def evaluate(net: nn.Module, data: Arrays, loss_fn: Criterion, step: int = 0) -> Evaluation:
    """Mean loss and share right over all samples, in eval mode; the modes are put back."""
    modes = [(m, m.training) for m in net.modules()]  # a frozen norm stays in eval mode
    net.eval()
    total, right, n = 0.0, 0.0, len(data.x)
    for at in range(0, n, CHUNK):
        x, y = data.x[at : at + CHUNK], data.y[at : at + CHUNK]
        out = net(x)
        total += loss_fn(out, y).item() * len(x)
        right += (_right(out, y) or 0.0) * len(x)
    for module, mode in modes:
        module.training = mode
    return Evaluation(step, total / n, right / n if data.classes else None, n)


@torch.no_grad()
def re_estimate(net: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Running statistics of every batch norm as exact averages over the batches given.

    After few steps the moving averages still remember their start (momentum .1), and eval mode
    understates the net.
    """
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
    norms = [m for m in net.modules() if isinstance(m, kinds)]
    if not norms:
        return
    kept = [m.momentum for m in norms]
    for m in norms:
        m.reset_running_stats()
        m.momentum = None  # cumulative average
    was = net.training
    net.train()
    for x, _ in batches:
        net(x)
    net.train(was)
    for m, momentum in zip(norms, kept, strict=True):
        m.momentum = momentum
