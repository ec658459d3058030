"""The tiers after the first pass: line probe, curvature, probe steps on one batch."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn, optim

from undertow.core.record import LinePoint
from undertow.nn.optimizer import Factory, scaled
from undertow.nn.threads import small
from undertow.preflight.case import Case, Deadline

FACTORS = tuple(10.0**k for k in range(-3, 4))
BASE = 0.1  # rate the line probe starts from where no optimiser is given (plain SGD)
PRODUCTS = 6  # Hessian-vector products of the power iteration
HOLD = 3  # losses in a row below the mark before the probe steps stop early
LEARNED = 0.9  # share of the constant loss that one batch must fall below


def base_optimizer(lr: float = BASE) -> Factory:
    """Plain SGD at a rate, for a check without an optimiser."""
    return lambda params: optim.SGD(params, lr=lr)


def clip(net: nn.Module, limit: float | None) -> None:
    """Scale all gradients to the global L2 norm `limit` where they exceed it."""
    if limit is not None:
        nn.utils.clip_grad_norm_(net.parameters(), limit)


def gradients(net: nn.Module) -> list[Tensor | None]:
    """Clones of all gradients in parameter order; None where there is none."""
    return [None if p.grad is None else p.grad.detach().clone() for p in net.parameters()]


def put(net: nn.Module, weights: Sequence[Tensor], grads: Sequence[Tensor | None]) -> None:
    """Set weights and gradients of a copy, in parameter order."""
    with torch.no_grad():
        for p, w, g in zip(net.parameters(), weights, grads, strict=True):
            p.copy_(w)
            p.grad = None if g is None else g.clone()


def line(case: Case, net: nn.Module, make: Factory, deadline: Deadline) -> tuple[LinePoint, ...]:
    """Loss on the probe batch after one step of lr·10^k, k = -3..3; `net` is put back.

    `net` holds the gradients of the probe batch, already clipped as the user clips.
    """
    weights, grads = [p.detach().clone() for p in net.parameters()], gradients(net)
    points = []
    for factor in FACTORS:
        if deadline.over:
            break
        scaled(make, factor)(net.parameters()).step()
        with torch.no_grad():
            points.append(LinePoint(factor, case.run(net).item()))
        put(net, weights, grads)
    return tuple(points)


def curvature(case: Case, net: nn.Module) -> float | None:
    """λ: last Rayleigh quotient of 6 power-iteration steps on the Hessian of the probe loss.

    None where no double backward is available or the loss is not finite.
    """
    params = [p for p in net.parameters() if p.requires_grad]
    loss = case.run(net)
    try:
        first = torch.autograd.grad(loss, params, create_graph=True, allow_unused=True)
    except RuntimeError:
        return None
    used = [(p, g) for p, g in zip(params, first, strict=True) if g is not None]
    try:
        return _power([p for p, _ in used], [g for _, g in used], case.seed)
    except RuntimeError:
        return None


def _power(params: list[nn.Parameter], grads: list[Tensor], seed: int) -> float | None:
    g = torch.Generator(device="cpu").manual_seed(seed)
    v = [torch.randn(p.shape, generator=g).to(p.device) for p in params]
    quotient = 0.0
    for _ in range(PRODUCTS):
        norm = math.sqrt(sum(float(a.double().square().sum()) for a in v))
        if not math.isfinite(norm) or norm == 0:
            return None if not math.isfinite(norm) else 0.0
        v = [a / norm for a in v]
        product = torch.autograd.grad(
            grads, params, grad_outputs=v, retain_graph=True, allow_unused=True
        )
        hv = [torch.zeros_like(p) if h is None else h for p, h in zip(params, product, strict=True)]
        quotient = sum(float((a * b).sum()) for a, b in zip(v, hv, strict=True))
        v = hv
    return quotient if math.isfinite(quotient) else None


def one_batch(
    case: Case,
    net: nn.Module,
    make: Factory,
    mark: float | None,
    *,
    steps: int,
    deadline: Deadline,
    futile: int | None = None,
) -> tuple[float, ...]:
    """Losses of up to `steps` steps on the probe batch, and the loss after the last one.

    Stops at the first loss that is not finite. With `futile`, also at that step while nothing was
    gained, and once three losses in a row lie below .9 × `mark` (the constant loss); without, only
    a large net stops at these.
    """
    hold = HOLD if futile is not None else _hold(case, steps)
    optimizer = make(net.parameters())
    losses: list[float] = []
    for step in range(steps):
        loss = case.run(net)
        losses.append(loss.detach().item())
        if _settled(losses, mark, hold) or deadline.over or not math.isfinite(losses[-1]):
            return tuple(losses)
        if step == futile and mark is not None and min(losses[-HOLD:]) > LEARNED * mark:
            return tuple(losses)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        clip(net, case.clip_norm)
        optimizer.step()
    with torch.no_grad():
        losses.append(case.run(net).item())
    return tuple(losses)


def _hold(case: Case, steps: int) -> int:
    """Losses before success may end the run: all where they cost little.

    A rate that is too high can learn the batch for a while and lose it again: stopping at the
    third good loss missed 11 of the 194 failing development cases, all the steps 9.
    """
    cheap = case.pair is not None and small(case.net, case.pair[0].numel())
    return steps if cheap else HOLD


def _settled(losses: list[float], mark: float | None, hold: int) -> bool:
    base = losses[0] if mark is None or mark <= 0 else mark
    return len(losses) >= hold and max(losses[-HOLD:]) < LEARNED * base
