"""Which loss function of torch made a scalar, on what labels, and what it was scaled by since."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from undertow.instrument.constant import Loss
from undertow.instrument.facts import Output, output

FUNCTIONS: dict[Any, Loss] = {  # a function called -> the loss whose best constant is known of it
    F.cross_entropy: F.cross_entropy,
    F.nll_loss: F.cross_entropy,  # log-probabilities are logits to a softmax
    F.binary_cross_entropy_with_logits: F.binary_cross_entropy_with_logits,
    F.mse_loss: F.mse_loss,
    F.l1_loss: F.l1_loss,
    F.smooth_l1_loss: F.smooth_l1_loss,
    F.huber_loss: F.huber_loss,
}
SCALINGS = ("MulBackward0", "DivBackward0")  # a loss times a number, or over one


@dataclass(frozen=True, eq=False)
class Called:
    """A loss function's call: its result, the labels, the outputs, the loss as a callable.

    `whole` says that it is the plain function of two arguments, whose word is known.
    """

    result: Tensor
    labels: Any
    outputs: Output
    loss: Loss
    whole: bool

    @property
    def value(self) -> Tensor | float:
        """The loss itself, a number where that costs no transfer."""
        return self.result.item() if self.result.is_cpu else self.result.detach().clone()


class LossMode(TorchFunctionMode):
    """Passes every call on, and tells of loss functions that made a scalar with a gradient."""

    def __init__(self, told: Callable[[Called], None]) -> None:
        super().__init__()
        self._told = told

    def __torch_function__(self, func: Any, types: Any, args: Any = (), named: Any = None) -> Any:
        out = func(*args, **(named or {}))
        if func in FUNCTIONS and isinstance(out, Tensor) and out.requires_grad:
            call = _called(func, out, args, dict(named or {}))
            if call is not None:
                self._told(call)
        return out


def _called(func: Any, out: Tensor, args: tuple[Any, ...], named: dict[str, Any]) -> Called | None:
    outputs = args[0] if args else named.pop("input", None)
    labels = args[1] if len(args) > 1 else named.pop("target", None)
    if out.numel() != 1 or not isinstance(outputs, Tensor):
        return None
    options = {name: value for name, value in named.items() if not _usual(name, value)}
    if "reduction" in options:  # a sum: the constant answer's loss would grow with the labels
        labels = None
    plain = FUNCTIONS[func]
    if len(args) <= 2 and not options:
        return Called(out, labels, output(outputs), plain, True)
    return Called(out, labels, output(outputs), partial(_with, plain, args[2:], named), False)


def _usual(name: str, value: object) -> bool:
    """Whether an option says what holds without it."""
    if not isinstance(value, int | float | str):
        return value is None
    usual = {"reduction": "mean", "ignore_index": -100, "label_smoothing": 0.0}
    return bool(value == usual.get(name, 1.0))  # 1 is the usual beta and delta


def _with(
    plain: Loss, more: tuple[Any, ...], named: dict[str, Any], outputs: Any, labels: Any
) -> Tensor:
    return plain(outputs, labels, *more, **named)


def loss_scale(loss: Tensor) -> Tensor | None:
    """What a gradient scaler multiplied a loss by: the last product with a tensor; None: nothing.

    Numbers of Python stand in the graph as float64 or int64, a scaler's tensor as float32.
    """
    node = loss.grad_fn
    if node is None or node.name() != "MulBackward0" or len(_inputs(node)) != 1:
        return None
    factor = _factor(node)
    usable = factor is not None and factor.numel() == 1 and factor.dtype == torch.float32
    return factor if usable else None


def leads_to(loss: Tensor, inner: Tensor) -> bool:
    """Whether a scalar is another one, multiplied or divided by numbers only."""
    node, wanted = loss.grad_fn, inner.grad_fn
    while node is not None and node is not wanted:
        inputs = _inputs(node)
        if node.name() not in SCALINGS or len(inputs) != 1:
            return False
        node = inputs[0]
    return node is not None


def _inputs(node: Any) -> list[Any]:
    return [n for n, _ in node.next_functions if n is not None]


def _factor(node: Any) -> Tensor | None:
    found = [getattr(node, name, None) for name in ("_saved_self", "_saved_other")]
    return next((f for f in found if isinstance(f, Tensor)), None)
