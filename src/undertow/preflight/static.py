"""Static checks: the input's scale, the labels, the head against the loss, equal rows."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from undertow.core.finding import Evidence, Symptom
from undertow.core.record import InputFacts
from undertow.core.words import SYMPTOMS
from undertow.preflight.case import Case, logits

IMAGE_DIMS = 3  # (N, C, ...): channels are features; (N, F): every column is
CLASS_NDIM = 2  # outputs (N, C, ...)
ROWS = 512  # rows of a weight compared with one another
SAME = 1 - 1e-6  # cosine beyond which two rows are one
FEW = 4  # samples below which one class only says nothing
IGNORED = -100  # the label torch's cross-entropy leaves out unless told another
UNIT = 1e-4  # how far a softmax's sum may be from 1


def input_facts(case: Case, out: object) -> InputFacts:
    """Scale of the raw features and of the targets; empty where the batch is not (x, y)."""
    if case.pair is None:
        return InputFacts(one_shot=case.one_shot)
    x, y = case.pair
    classes = int(y.unique().numel()) if not torch.is_floating_point(y) else 0
    width = out.shape[1] if isinstance(out, Tensor) and out.ndim >= CLASS_NDIM else 0
    target = _rms(y.float()) if torch.is_floating_point(y) else None
    if not torch.is_floating_point(x):
        return InputFacts(tuple(x.shape), classes=classes, output_classes=width, target_rms=target)
    over = [0] if x.ndim < IMAGE_DIMS else [d for d in range(x.ndim) if d != 1]
    std = x.float().std(over, correction=0).reshape(-1)
    live = std[std > 0]
    ratio = float(live.max() / live.min()) if live.numel() else None
    return InputFacts(
        shape=tuple(x.shape),
        rms=_rms(x.float()),
        abs_max=float(x.abs().max()),
        std_ratio=ratio,
        constant=int((std == 0).sum()),
        features=std.numel(),
        target_rms=target,
        classes=classes,
        output_classes=width,
        one_shot=case.one_shot,
    )


def before_loss(case: Case, out: object) -> Iterator[Symptom]:
    """What is wrong with labels and head, seen before the loss may be called at all."""
    if case.pair is None or not isinstance(out, Tensor):
        return
    y = case.pair[1]
    if case.loss == "cross-entropy" and not torch.is_floating_point(y):
        yield from _labels(y[y != getattr(case.loss_fn, "ignore_index", IGNORED)], out)
    yield from _head(case.loss, out, y)


def after_loss(case: Case, loss: Tensor) -> Iterator[Symptom]:
    """A loss that cannot train: detached from the graph, or squared error on class numbers."""
    if not loss.requires_grad:
        yield _found("loss-mismatch", "the loss is detached: no gradient can flow from it", ())
    if case.pair is None:
        return
    y = case.pair[1]
    if case.loss == "mse" and not torch.is_floating_point(y) and int(y.max()) > 1:
        said = f"mse is taken of class numbers 0 to {int(y.max())}; classes have no order"
        yield _found("loss-mismatch", said, (_seen("labels", float(y.max()), 1.0),))


def symmetric(net: nn.Module) -> Iterator[Symptom]:
    """Weights with two equal rows that also receive equal gradients: they never part."""
    for path, module in net.named_modules():
        w = getattr(module, "weight", None)
        if not isinstance(w, Tensor) or w.ndim < CLASS_NDIM or w.grad is None or len(w) <= 1:
            continue
        equal = _equal_rows(w.detach(), w.grad)
        if equal > 0:
            rows = min(len(w), ROWS)
            said = f"{equal} of {rows} rows of {path} equal another in weight and gradient"
            yield _found(
                "symmetric-weights", said, (_seen("equal_rows", equal, 0.0, path),), (path,)
            )


def _labels(y: Tensor, out: Tensor) -> Iterator[Symptom]:
    if not y.numel():
        return
    classes = out.shape[1] if out.ndim >= CLASS_NDIM else 1
    low, high = int(y.min()), int(y.max())
    if low < 0 or high >= classes:
        bad = low if low < 0 else high
        said = f"label {bad} is outside 0 to {classes - 1}: the net has {classes} outputs"
        yield _found("label-error", said, (_seen("label", bad, classes - 1),))
    elif low == high and y.numel() >= FEW:
        said = f"all {y.numel()} labels of the batch are {low}: one class cannot be told apart"
        yield _found("label-error", said, (_seen("classes", 1, 2),))


def _head(loss: str, out: Tensor, y: Tensor) -> Iterator[Symptom]:
    made = out.grad_fn.name() if out.grad_fn is not None else ""
    out = out.detach()
    units = out.shape[1] if out.ndim >= CLASS_NDIM else 1
    if loss == "cross-entropy" and units == 1:
        yield _found(
            "head-mismatch", "softmax over one unit is 1 for every input", (_seen("units", 1, 2),)
        )
    elif loss == "cross-entropy" and _is_softmax(made, out):
        said = "the outputs are already a softmax; cross-entropy takes logits and adds its own"
        yield _found("head-mismatch", said, (_seen("output_sum", float(out.sum(1).mean()), 1.0),))
    elif loss == "bce" and made.startswith("Sigmoid"):
        said = "the outputs are already a sigmoid; this loss takes logits and adds its own"
        yield _found("head-mismatch", said, (_seen("output_max", float(out.max()), 1.0),))
    elif made.startswith("Relu"):
        said = "a ReLU ends the net: no output can be negative"
        yield _found(
            "head-mismatch", said, (_seen("output_min", float(out.min()), 0.0),), gated=True
        )
    elif loss in ("mse", "l1", "huber") and (top := _bounded(made)) is not None:
        reach = float(y.abs().max())
        if reach > top:
            said = f"targets reach {reach:.3g} and the last activation ends at {top:g}"
            yield _found("head-mismatch", said, (_seen("target_max", reach, top),), gated=True)


def _is_softmax(made: str, out: Tensor) -> bool:
    if made.startswith("LogSoftmax"):
        return False
    if made.startswith("Softmax"):
        return True
    sums = out.detach().sum(1)
    return bool((out >= 0).all()) and bool(((sums - 1).abs() < UNIT).all())


def _bounded(made: str) -> float | None:
    return 1.0 if made.startswith(("Sigmoid", "Tanh")) else None


def _equal_rows(w: Tensor, grad: Tensor) -> int:
    rows, grads = w.flatten(1)[:ROWS].double(), grad.flatten(1)[:ROWS].double()
    both = torch.logical_and(_alike(rows), _alike(grads))
    both.fill_diagonal_(False)
    return int(both.any(1).sum())


def _alike(rows: Tensor) -> Tensor:
    """(R, K) -> (R, R) whether rows are equal in direction and length; zero rows are equal."""
    norm = rows.norm(dim=1, keepdim=True)
    unit = rows / norm.clamp_min(torch.finfo(torch.float64).tiny)
    same = (unit @ unit.T > SAME) & (
        torch.minimum(norm, norm.T) > SAME * torch.maximum(norm, norm.T)
    )
    zero = norm.squeeze(1) == 0
    return same | (zero[:, None] & zero[None, :])


def _rms(v: Tensor) -> float:
    return float(v.double().square().mean().sqrt()) if v.numel() else math.nan


def _seen(stat: str, value: float, limit: float, layer: str = "") -> Evidence:
    return Evidence(stat, layer, 0, float(value), float(limit))


def _found(
    name: str,
    says: str,
    seen: tuple[Evidence, ...],
    layers: tuple[str, ...] = (),
    *,
    gated: bool = False,
) -> Symptom:
    """A static symptom; `note` marks the gated ones until judgement lifts it."""
    return Symptom(SYMPTOMS[name], name, layers, 0, seen, says, note=gated)


def output_of(case: Case, net: nn.Module) -> object:
    """The plain output of the probe batch in the graph; None where only `step` can run it."""
    if case.pair is None:
        return None
    torch.manual_seed(case.seed)
    return logits(net(case.pair[0]))
