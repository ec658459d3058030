"""UT108: the first NaN or infinity."""

import math
from collections.abc import Iterator

from undertow.core.finding import Evidence, Symptom
from undertow.core.outlier import from_input
from undertow.core.record import Record, Snapshot
from undertow.core.rule import rule

ROLES = ("hidden", "head", "norm")
SIDES = (("output", ("act_max", "act_rms")), ("gradient", ("grad_max", "grad_l2")))


@rule(
    "UT108",
    "non-finite",
    "A number is NaN or infinite",
    needs={"loss", "act_max", "grad_max"},
    source="contract tests of diagnosis.md, section 13; exact, no limit",
)
def non_finite(record: Record) -> Iterator[Symptom]:
    """The origin of the first NaN or infinity: forward, then backward, then the loss."""
    found = [s for s in (_in_layers(record), _in_loss(record), _in_probe(record)) if s is not None]
    if found:
        yield min(found, key=lambda s: s.since)


def _in_layers(record: Record) -> Symptom | None:
    for snap in record.snapshots:
        for side, stats in SIDES:
            path = _origin(record, snap, stats, backward=side == "gradient")
            if path is not None and side == "output" and from_input(record):
                return _of_data(snap.step)
            if path is not None and _born(record, path):
                return _of_weights(path)
            if path is not None:
                return _symptom(record, snap, path, side, stats)
    return None


def _origin(
    record: Record, snap: Snapshot, stats: tuple[str, ...], *, backward: bool
) -> str | None:
    """The first layer to go bad: nearest the input forwards, nearest the loss backwards."""
    bad = [
        y.path
        for y in record.layers
        if any(not math.isfinite(record.profile(s, snap, ROLES).get(y.path, 0.0)) for s in stats)
    ]
    if not bad:
        return None
    return bad[-1] if backward else bad[0]


def _symptom(
    record: Record, snap: Snapshot, path: str, side: str, stats: tuple[str, ...]
) -> Symptom:
    tops = [record.profile(s, snap, ROLES) for s in stats]
    value = next((t[path] for t in tops if not math.isfinite(t.get(path, 0.0))), math.nan)
    finite = [v for v in tops[0].values() if math.isfinite(v)]
    before = f"; the largest finite value is {max(finite):.2g}" if finite else ""
    says = f"the {side} at {path} is {value} at step {snap.step}, the first one{before}"
    seen = (Evidence(stats[0], path, snap.step, value),)
    return Symptom("UT108", "non-finite", (path,), snap.step, seen, says)


def _born(record: Record, path: str) -> bool:
    """Whether the layer's weights held NaN or Inf before the first step."""
    layer = record.layer(path)
    return layer is not None and not math.isfinite(layer.weight_std or 0.0)


def _of_weights(path: str) -> Symptom:
    seen = (Evidence("weight_std", path, 0, math.nan),)
    says = f"the weights of {path} hold NaN or Inf before the first step; load or draw them anew"
    return Symptom("UT108", "non-finite", (path,), 0, seen, says)


def _of_data(step: int) -> Symptom:
    seen = (Evidence("input_max", "", step, math.nan),)
    says = f"the batch of step {step} holds NaN or Inf before the first layer"
    return Symptom("UT108", "non-finite", (), step, seen, says)


def _in_loss(record: Record) -> Symptom | None:
    if record.first_loss is not None and not math.isfinite(record.first_loss):
        return _of_loss(0, record.first_loss, "the first loss")
    for m in record.metrics:
        if m.loss is not None and not math.isfinite(m.loss):
            return _of_loss(m.step, m.loss, f"the loss of step {m.step}")
    return None


def _in_probe(record: Record) -> Symptom | None:
    for step, loss in enumerate(record.one_batch):
        if not math.isfinite(loss):
            return _of_loss(step, loss, f"the loss after {step} steps on one batch")
    return None


def _of_loss(step: int, loss: float, what: str) -> Symptom:
    seen = (Evidence("loss", "", step, loss),)
    return Symptom("UT108", "non-finite", (), step, seen, f"{what} is {loss}")
