"""Static checks: the input's scale, the labels, the head against the loss, equal rows."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from undertow.core.finding import Symptom
from undertow.core.record import InputFacts
from undertow.instrument.facts import (
    CLASS_NDIM,
    FEW,
    found,
    head_mismatches,
    label_errors,
    output,
    scale_of,
    seen,
    with_answers,
)
from undertow.preflight.case import Case, logits

ROWS = 512  # rows of a weight compared with one another
SAME = 1 - 1e-6  # cosine beyond which two rows are one
RMS_HIGH, ABS_MAX = 10.0, 30.0  # of features beyond which they are raw: UT204's limits
IGNORED = -100  # the label torch's cross-entropy leaves out unless told another


def input_facts(case: Case, out: object) -> InputFacts:
    """Scale of the raw features and of the targets; empty where the batch is not (x, y)."""
    if case.pair is None:
        return InputFacts(one_shot=case.one_shot)
    x, y = case.pair
    width = out.shape[1] if isinstance(out, Tensor) and out.ndim >= CLASS_NDIM else 0
    return replace(with_answers(scale_of(x), y, width), one_shot=case.one_shot)


def alike(x: Tensor) -> Iterator[Symptom]:
    """Features (N, ...) that are the same in every sample: nothing can be told from them."""
    if torch.is_floating_point(x) and len(x) >= FEW and bool((x == x[:1]).all()):
        count = x[0].numel()
        said = (
            f"all {len(x)} samples are equal, so nothing can be told from them; look at how x was"
            " made, then standardise it"
        )
        yield found("input-range", said, (seen("input_constant", count, 0),))


def raw(x: Tensor) -> Iterator[Symptom]:
    """Features (N, ...) that nobody scaled, as 0 to 255; gated: a norm first, or a net that learns.

    The limits are those of UT204.
    """
    facts = scale_of(x)
    size, top = facts.rms or 0.0, facts.abs_max or 0.0
    if size > RMS_HIGH or top > ABS_MAX:
        said = (
            f"the features' root mean square is {size:.3g} and the largest is {top:.3g} (limits"
            f" {RMS_HIGH:g} and {ABS_MAX:g}); bring them to mean 0 and deviation 1: --standardise"
        )
        evidence = seen("input_rms", size, RMS_HIGH), seen("input_max", top, ABS_MAX)
        yield found("input-range", said, evidence, gated=True)


def before_loss(case: Case, out: object) -> Iterator[Symptom]:
    """What is wrong with inputs, labels and head, seen before the loss may be called at all."""
    if case.pair is None or not isinstance(out, Tensor):
        return
    x = case.pair[0]
    if isinstance(x, Tensor):
        yield from alike(x)
    y, head = case.pair[1], output(out)
    if case.loss == "cross-entropy" and not torch.is_floating_point(y):
        yield from label_errors(y[y != getattr(case.loss_fn, "ignore_index", IGNORED)], head.units)
    yield from head_mismatches(case.loss, head, y)


def after_loss(case: Case, loss: Tensor) -> Iterator[Symptom]:
    """A loss that cannot train: detached from the graph, or squared error on class numbers."""
    if not loss.requires_grad:
        yield found("loss-mismatch", "the loss is detached: no gradient can flow from it", ())
    if case.pair is None:
        return
    y = case.pair[1]
    if case.loss == "mse" and not torch.is_floating_point(y) and int(y.max()) > 1:
        said = f"mse is taken of class numbers 0 to {int(y.max())}; classes have no order"
        yield found("loss-mismatch", said, (seen("labels", float(y.max()), 1.0),))


def no_gradient() -> Symptom:
    """The loss has a graph, and none of the net's parameters is in it."""
    said = "no gradient reaches any parameter: the loss is not computed from the net's output"
    return found("loss-mismatch", said, ())


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
            yield found("symmetric-weights", said, (seen("equal_rows", equal, 0.0, path),), (path,))


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


def output_of(case: Case, net: nn.Module) -> object:
    """The plain output of the probe batch in the graph; None where only `step` can run it."""
    if case.pair is None:
        return None
    torch.manual_seed(case.seed)
    return logits(net(case.pair[0]))
