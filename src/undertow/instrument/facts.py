"""What a batch gives away: the scale of its features, its labels, the head against the loss."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from undertow.core.finding import Evidence, Symptom
from undertow.core.record import InputFacts
from undertow.core.words import SYMPTOMS

IMAGE_DIMS = 3  # (N, C, ...): channels are features; (N, F): every column is
CLASS_NDIM = 2  # outputs (N, C, ...)
FEW = 4  # samples below which one class only says nothing
UNIT = 1e-4  # how far a softmax's sum may be from 1


def scale_of(x: Tensor) -> InputFacts:
    """Scale of the raw features (N, F) or (N, C, ...); only the shape of ids and masks."""
    if not torch.is_floating_point(x) or not x.numel():
        return InputFacts(shape=tuple(x.shape))
    over = [0] if x.ndim < IMAGE_DIMS else [d for d in range(x.ndim) if d != 1]
    std = x.detach().float().std(over, correction=0).reshape(-1)
    live = std[std > 0]
    return InputFacts(
        shape=tuple(x.shape),
        rms=rms(x.detach().float()),
        abs_max=float(x.detach().abs().max()),
        std_ratio=float(live.max() / live.min()) if live.numel() else None,
        constant=int((std == 0).sum()),
        features=std.numel(),
    )


@dataclass(frozen=True, slots=True)
class Output:
    """A batch's output without its graph, and the name of the operation that made it."""

    values: Tensor
    made: str

    @property
    def units(self) -> int:
        """Values a sample: the classes of (N, C, ...), 1 for (N,)."""
        return int(self.values.shape[1]) if self.values.ndim >= CLASS_NDIM else 1


def output(out: Tensor) -> Output:
    """What is looked at of a net's output; it keeps no graph alive."""
    return Output(out.detach(), out.grad_fn.name() if out.grad_fn is not None else "")


def with_answers(found: InputFacts, y: Tensor, width: int) -> InputFacts:
    """The facts with those of labels or targets (N, ...) and of a head of `width` outputs."""
    if torch.is_floating_point(y):
        return replace(found, target_rms=rms(y.detach().float()), output_classes=width)
    return replace(found, classes=int(y.unique().numel()), output_classes=width)


class FirstBatch:
    """What the first batch of a training loop gives away, looked at once (`open` until then)."""

    def __init__(self) -> None:
        self._scale: InputFacts | None = None
        self._answered: InputFacts | None = None
        self.static: tuple[Symptom, ...] = ()
        self.open = True

    def enters(self, x: Tensor) -> None:
        """The net is called on features or ids (N, ...)."""
        if self._scale is None:
            self._scale = scale_of(x)

    def leaves(self, loss: str, out: Output, y: object) -> None:
        """The loss of this word is taken of these outputs and labels."""
        if not self.open or not isinstance(y, Tensor) or not y.numel():
            return
        self.open = False
        self.static = tuple(head_mismatches(loss, out, y))

    def facts(self, y: Tensor | None, outputs: tuple[int, ...] | None) -> InputFacts:
        """All that is known by now.

        Args:
            y: labels of the first batch; None before any was seen.
            outputs: the shape of the net's output.
        """
        if self._answered is None and y is not None and outputs is not None:
            width = outputs[1] if len(outputs) >= CLASS_NDIM else 0
            self._answered = with_answers(self._scale or InputFacts(), y, width)
        return self._answered or self._scale or InputFacts()


def label_errors(y: Tensor, classes: int) -> Iterator[Symptom]:
    """Class numbers (N, ...) outside the head's classes, or of one class only."""
    if not y.numel():
        return
    low, high = int(y.min()), int(y.max())
    if low < 0 or high >= classes:
        bad = low if low < 0 else high
        said = f"label {bad} is outside 0 to {classes - 1}: the net has {classes} outputs"
        yield found("label-error", said, (seen("label", bad, classes - 1),))
    elif low == high and y.numel() >= FEW:
        said = f"all {y.numel()} labels of the batch are {low}: one class cannot be told apart"
        yield found("label-error", said, (seen("classes", 1, 2),))


def head_mismatches(loss: str, head: Output, y: Tensor) -> Iterator[Symptom]:
    """A softmax or sigmoid taken twice, or of one unit; outputs that the targets leave (gated).

    Args:
        loss: its word; "" for a criterion without one.
        head: of `output`.
        y: labels (N, ...) or targets.
    """
    made, out, units = head.made, head.values, head.units
    if units == 1 and (loss == "cross-entropy" or made.startswith("Softmax")):
        yield found(
            "head-mismatch", "softmax over one unit is 1 for every input", (seen("units", 1, 2),)
        )
    elif loss == "cross-entropy" and _is_softmax(made, out):
        said = "the outputs are already a softmax; cross-entropy takes logits and adds its own"
        yield found("head-mismatch", said, (seen("output_sum", float(out.sum(1).mean()), 1.0),))
    elif loss == "bce" and made.startswith("Sigmoid"):
        said = "the outputs are already a sigmoid; this loss takes logits and adds its own"
        yield found("head-mismatch", said, (seen("output_max", float(out.max()), 1.0),))
    elif made.startswith("Relu"):
        said = "a ReLU ends the net: no output can be negative"
        yield found("head-mismatch", said, (seen("output_min", float(out.min()), 0.0),), gated=True)
    elif loss in ("mse", "l1", "huber") and (top := _bounded(made)) is not None:
        reach = float(y.abs().max())
        if reach > top:
            said = f"targets reach {reach:.3g} and the last activation ends at {top:g}"
            yield found("head-mismatch", said, (seen("target_max", reach, top),), gated=True)


def _is_softmax(made: str, out: Tensor) -> bool:
    if made.startswith("LogSoftmax"):
        return False
    if made.startswith("Softmax"):
        return True
    sums = out.sum(1)
    return bool((out >= 0).all()) and bool(((sums - 1).abs() < UNIT).all())


def _bounded(made: str) -> float | None:
    return 1.0 if made.startswith(("Sigmoid", "Tanh")) else None


def rms(v: Tensor) -> float:
    """Root mean square, summed in float64; NaN of nothing."""
    return float(v.double().square().mean().sqrt()) if v.numel() else math.nan


def seen(stat: str, value: float, limit: float, layer: str = "") -> Evidence:
    """A number of the first batch beside its limit."""
    return Evidence(stat, layer, 0, float(value), float(limit))


def found(
    name: str,
    says: str,
    seen: tuple[Evidence, ...],
    layers: tuple[str, ...] = (),
    *,
    gated: bool = False,
) -> Symptom:
    """A static symptom; `note` marks the gated ones until judgement lifts it."""
    return Symptom(SYMPTOMS[name], name, layers, 0, seen, says, note=gated)
