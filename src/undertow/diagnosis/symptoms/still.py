"""UT106 and UT107: gradients that are exactly 0, and weights that a step leaves as they were."""

import math
from collections.abc import Iterator

from undertow.core.derive import held, smoothed
from undertow.core.finding import Evidence, Symptom
from undertow.core.learned import learned
from undertow.core.record import Record, Snapshot
from undertow.core.rule import rule

ROUNDED = 1e-6  # gradient over weight: times a usual rate it is below float32's 2⁻²⁴
ROLES = ("hidden", "head", "norm")


@rule(
    "UT106",
    "zero-gradient",
    "A weight receives no gradient at all",
    needs={"wgrad_l2"},
    source="contract tests of diagnosis.md, section 13; exact, no limit",
)
def zero_gradient(record: Record) -> Iterator[Symptom]:
    """Weight gradients of exactly 0, of all layers or of some; frozen ones are not measured.

    Steps that find no gradient anywhere, and move nothing, count as well. A loss that is exactly
    the lowest possible has none, and no finding.

    Before training there is one row only. A net may start from a zero on purpose (a gain or a
    head of 0, which the first step moves): unless all is zero or the probe steps fail, a note.
    """
    found = held(record, lambda snap: _zeros(record, snap))
    if found is None:
        return
    since, (layers, measured) = found
    step = record.snapshots[-1].step
    seen = tuple(Evidence("wgrad_l2", path, step, 0.0, 0.0) for path in layers)
    everything = len(layers) == measured
    if everything and _done(record):
        return
    who = "every weight" if everything else f"the weight of {_named(layers)}"
    note = record.kind == "check" and not everything and learned(record) is not False
    says = f"the gradient of {who} is exactly 0"
    if not record.profile("wgrad_l2", record.snapshots[-1], ROLES):
        says = "no gradient arrives at any weight: nothing went backwards through the net"
    yield Symptom("UT106", "zero-gradient", layers, since, seen, says, note)


@rule(
    "UT107",
    "unchanged-parameters",
    "A step leaves trainable weights bit for bit as they were",
    needs={"update_ratio"},
    source="contract tests of diagnosis.md, section 13; exact, no limit",
)
def unchanged_parameters(record: Record) -> Iterator[Symptom]:
    """`update_ratio` of exactly 0 though a finite gradient arrived and the rate is not 0.

    Before training there is one row only: where the probe steps learn the batch, a note.
    """
    found = held(record, lambda snap: _unchanged(record, snap))
    if found is None:
        return
    since, layers = found
    step = record.snapshots[-1].step
    seen = tuple(Evidence("update_ratio", path, step, 0.0, 0.0) for path in layers)
    says = f"the step leaves {_named(layers)} bit for bit unchanged though a gradient arrives"
    if all(_rounds_away(record, path) for path in layers):
        says += ", so small that rounding drops it"
    note = record.kind == "check" and learned(record) is True
    yield Symptom("UT107", "unchanged-parameters", layers, since, seen, says, note)


def _done(record: Record) -> bool:
    """Whether nothing is left to gain: an answer so sure that its loss rounds to nothing."""
    now = smoothed(record, record.last_step)
    return now is not None and now <= record.best_loss


def _zeros(record: Record, snap: Snapshot) -> tuple[tuple[str, ...], int] | None:
    grads = record.profile("wgrad_l2", snap, ROLES)
    if not grads:
        still = record.profile("update_ratio", snap, ROLES)
        return (tuple(still), len(still)) if still and not any(still.values()) else None
    zero = tuple(path for path, g in grads.items() if g == 0)
    return (zero, len(grads)) if zero else None


def _unchanged(record: Record, snap: Snapshot) -> tuple[str, ...] | None:
    if not _rate(record, snap.step) > 0:
        return None
    grads = record.profile("wgrad_l2", snap, ROLES)
    moves = record.profile("update_ratio", snap, ROLES)
    live = {p for p, g in grads.items() if math.isfinite(g) and g > 0}
    same = tuple(p for p, v in moves.items() if v == 0 and p in live)
    return same or None


def _rounds_away(record: Record, path: str) -> bool:
    """Whether the gradient is so small beside the weights that float32 drops the step."""
    snap = record.snapshots[-1]
    grad = record.profile("wgrad_l2", snap, ROLES).get(path, 0.0)
    weight = record.profile("weight_l2", snap, ROLES).get(path, 0.0)
    return grad < ROUNDED * weight


def _rate(record: Record, step: int) -> float:
    """The rate of a step; 1 where none was written down (the step was taken all the same)."""
    written = next((m.lr for m in record.metrics if m.step == step and m.lr is not None), None)
    rate = written if written is not None else record.optimizer.lr
    return 1.0 if rate is None else rate


def _named(layers: tuple[str, ...]) -> str:
    return layers[0] if len(layers) == 1 else f"{layers[0]} and {len(layers) - 1} more layers"
