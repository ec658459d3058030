"""The loss of the best constant answer: what a net that ignores its input can reach."""

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from undertow.nn.loss import CRITERIA, word_of

STEPS = 20  # LBFGS iterations; within 1e-6 of the closed forms where there are any
IGNORED = -100  # the label that torch's cross-entropy leaves out
Loss = Callable[[Any, Any], Tensor]


class Solver(torch.optim.LBFGS):
    """An optimiser of ours: what looks for those of a user's script passes it over."""


def const_loss(loss_fn: Loss, outputs_like: Tensor, targets: Any) -> float | None:
    """The lowest loss one output vector, the same for every sample, has on these labels.

    Closed form for cross-entropy (class-prior entropy, nats), bce on logits, mse (variance) and
    l1; else the criterion itself is minimised over one output vector, in float64.

    Args:
        loss_fn: `(outputs, targets) -> scalar`; neither it nor its parameters are changed.
        outputs_like: an output of the net, for its shape behind the samples; values are unused.
        targets: the labels seen, samples first.

    Returns:
        The loss, or None where it cannot be known: labels that are no tensor, no samples, a
        criterion that fails on a constant output or is not finite there.
    """
    if not isinstance(targets, Tensor) or not isinstance(outputs_like, Tensor):
        return None
    if not targets.numel() or not targets.ndim or not outputs_like.ndim:
        return None
    targets = targets.detach()
    try:
        known = _closed_form(loss_fn, tuple(outputs_like.shape), targets)
        value = _minimised(loss_fn, outputs_like, targets) if known is None else known
    except (RuntimeError, ValueError, TypeError, IndexError):
        return None  # the criterion does not take one tensor of outputs and these labels
    return value if math.isfinite(value) else None


def _closed_form(loss_fn: Loss, shape: tuple[int, ...], targets: Tensor) -> float | None:
    if isinstance(loss_fn, nn.BCELoss) or loss_fn is nn.functional.binary_cross_entropy:
        return _bce(shape, targets) if _plain(loss_fn) else None  # of shares, not of logits
    word = next((w for w, f in CRITERIA.items() if f is loss_fn), word_of(loss_fn))
    if not word or not _plain(loss_fn):
        return None
    if word == "cross-entropy" and not targets.is_floating_point():
        return class_entropy(targets)
    if word == "bce":
        return _bce(shape, targets)
    if word in ("mse", "l1") and math.prod(shape[1:]) == math.prod(targets.shape[1:]):
        y = targets.reshape(len(targets), -1).double()
        centre = y.mean(0) if word == "mse" else y.median(0).values
        return ((y - centre) ** 2 if word == "mse" else (y - centre).abs()).mean().item()
    return None


def class_entropy(targets: Tensor) -> float:
    """Entropy of the labels' own distribution, −Σ p ln p, in nats."""
    kept = targets[targets != IGNORED]
    _, counts = kept.unique(return_counts=True)
    p = counts.double() / counts.sum()
    return float(-(p * p.log()).sum())


def _bce(shape: tuple[int, ...], targets: Tensor) -> float:
    if math.prod(shape[1:]) != math.prod(targets.shape[1:]):
        targets = nn.functional.one_hot(targets, shape[-1])
    p = targets.reshape(len(targets), -1).double().mean(0)
    return float(-(torch.xlogy(p, p) + torch.xlogy(1 - p, 1 - p)).mean())


def _plain(loss_fn: Loss) -> bool:
    """Whether a criterion has no options that would change the closed form."""
    weights = getattr(loss_fn, "weight", None), getattr(loss_fn, "pos_weight", None)
    smooth = getattr(loss_fn, "label_smoothing", 0.0)
    ignored = getattr(loss_fn, "ignore_index", IGNORED)
    whole = getattr(loss_fn, "reduction", "mean") == "mean"
    return whole and not smooth and ignored == IGNORED and weights == (None, None)


def _minimised(loss_fn: Loss, outputs_like: Tensor, targets: Tensor) -> float:
    """The criterion at its minimum over one output vector, found by LBFGS."""
    frozen = copy.deepcopy(loss_fn).double() if isinstance(loss_fn, nn.Module) else loss_fn
    wide = targets.double() if targets.is_floating_point() else targets
    shape = outputs_like.shape[1:]
    start = torch.zeros(shape, dtype=torch.float64, device=targets.device)
    if wide.is_floating_point() and wide.shape[1:] == shape:
        start = wide.mean(0)
    answer = start.clone().requires_grad_()
    solver = Solver([answer], max_iter=STEPS, tolerance_grad=1e-10, line_search_fn="strong_wolfe")
    seen: list[float] = []

    def closure() -> Tensor:
        with torch.enable_grad():
            loss = frozen(answer.expand(len(wide), *shape), wide).mean()
            (answer.grad,) = torch.autograd.grad(loss, answer)
        seen.append(loss.item())
        return loss.detach()

    for _ in range(3):  # a restart forgets the curvature of far away, which slows the end
        solver.step(closure)  # type: ignore[no-untyped-call]
        solver.state.clear()
    return min(seen)
