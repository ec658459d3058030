"""Advice where head or loss is wrong: no edit of a plan makes it, so `change` is empty."""

from undertow.core.finding import Remedy

FIX_HEAD = Remedy(
    name="fix-head",
    answers=("output-head",),
    change=(),
    cost="by hand: end the net with a plain linear layer, as the loss takes logits",
)
FIX_LOSS = Remedy(
    name="fix-loss",
    answers=("loss",),
    change=(),
    cost="by hand: cross-entropy for classes, mse for numbers, and no detach() before backward()",
)
