"""Loss words as criteria, and the one form in which everything calls a loss."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from undertow.core.errors import UsageError, unknown
from undertow.core.words import LOSSES

Criterion = Callable[[Any, Any], Tensor]


def _bce(outputs: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy on logits: one unit, or one logit a class for integer labels."""
    if targets.ndim < outputs.ndim and outputs.shape[-1] > 1:
        targets = F.one_hot(targets, outputs.shape[-1])
    return F.binary_cross_entropy_with_logits(outputs, targets.reshape(outputs.shape).float())


def _matched(loss: Callable[[Tensor, Tensor], Tensor]) -> Criterion:
    """A regression loss that takes targets of shape (N,) for outputs of shape (N, 1)."""

    def call(outputs: Tensor, targets: Tensor) -> Tensor:
        same = targets.numel() == outputs.numel()
        return loss(outputs, (targets.reshape(outputs.shape) if same else targets).float())

    return call


CRITERIA: dict[str, Criterion] = {
    "cross-entropy": F.cross_entropy,
    "bce": _bce,
    "mse": _matched(F.mse_loss),
    "l1": _matched(F.l1_loss),
    "huber": _matched(F.huber_loss),
}


def word_of(loss: object) -> str:
    """The loss word of a criterion module or function; "" for one we do not know."""
    known = {
        nn.CrossEntropyLoss: "cross-entropy",
        nn.BCEWithLogitsLoss: "bce",
        nn.MSELoss: "mse",
        nn.L1Loss: "l1",
        nn.HuberLoss: "huber",
    }
    functions = ((F.cross_entropy, "cross-entropy"), (F.mse_loss, "mse"), (F.l1_loss, "l1"))
    if isinstance(loss, str):
        return loss
    if isinstance(loss, nn.Module):
        return known.get(type(loss), "")
    return next((word for function, word in functions if function is loss), "")


def criterion(loss: object, targets: object) -> tuple[Criterion, str]:
    """The callable and its word: None is cross-entropy for integer targets, mse for floating.

    Raises:
        UsageError: an unknown word, or something that is neither a word nor callable.
    """
    if loss is None:
        floating = isinstance(targets, Tensor) and torch.is_floating_point(targets)
        loss = "mse" if floating else "cross-entropy"
    if isinstance(loss, str):
        if loss not in CRITERIA:
            raise unknown("loss", loss, LOSSES)
        return CRITERIA[loss], loss
    if not callable(loss):
        raise UsageError(f"loss={loss!r} is neither a word nor callable; give {', '.join(LOSSES)}")
    return loss, word_of(loss)
