"""UT101: the gradient is lost on its way to the input."""

import math
from collections.abc import Iterator, Mapping

from undertow.core.decay import DECADES, FIT, LAYERS, STEEP, Decay, decay
from undertow.core.derive import across, held, spread
from undertow.core.finding import Evidence, Symptom
from undertow.core.gate import stuck
from undertow.core.learned import learned
from undertow.core.record import Record, Snapshot
from undertow.core.rule import rule

COLLAPSED = 0.02  # spread of the last hidden layer: below it Adam does not train either
START_DECADES = 5.0  # with no probe steps: lost decades that alarm by themselves,
START_ACROSS = 0.03  # if the last output's standard deviation across inputs is also below this

Proof = tuple[Snapshot, Decay, Mapping[str, float], Evidence]


@rule(
    "UT101",
    "vanishing-gradient",
    "Gradients vanish towards the input",
    needs={"grad_l2", "spread", "loss"},
    source="Glorot & Bengio 2010, sec. 4.2",
)
def vanishing_gradient(record: Record) -> Iterator[Symptom]:
    """Decay or underflow of `grad_l2` towards the input, in a net that makes no progress."""
    found = held(record, lambda snap: _proof(record, snap))
    if found is None or not _speaks(record, found[1]):
        return
    since, (_, lost, grads, proof) = found
    middle = list(grads.values())[-1] * 10 ** (-min(lost.total, 600) / 2)
    starved = tuple(path for path, g in grads.items() if g < middle)
    yield Symptom(
        "UT101", "vanishing-gradient", starved, since, (proof,), _says(lost, grads, proof)
    )


def beyond(record: Record, lost: Decay, step: int, layer: str) -> Evidence | None:
    """The first limit passed, as evidence: underflow, decades in all, decades a layer."""
    decades = record.limit("vanishing-decades", DECADES)
    steep = record.limit("vanishing-per-layer", STEEP)
    if lost.underflow:
        return Evidence("grad_l2", layer, step, 0.0, 0.0)
    if lost.total > decades:
        return Evidence("decay", "", step, lost.total, decades)
    if lost.layers >= LAYERS and lost.fit > FIT and lost.per_layer > steep:
        return Evidence("decay_per_layer", "", step, lost.per_layer, steep)
    return None


def _proof(record: Record, snap: Snapshot) -> Proof | None:
    grads = record.profile("grad_l2", snap)
    lost = decay(grads)
    if lost is None:
        return None
    zero = next((path for path, g in grads.items() if g == 0), next(iter(grads)))
    proof = beyond(record, lost, snap.step, zero)
    return None if proof is None else (snap, lost, grads, proof)


def _speaks(record: Record, proof: Proof) -> bool:
    """The gate; without probe steps the start rule. Adam often trains through decay: wait."""
    snap, lost, _, _ = proof
    if record.optimizer.adaptive and snap.step == 0 and spread(record, snap) >= COLLAPSED:
        return False
    if record.kind == "check" and learned(record) is None:
        flat = across(record, snap)
        return lost.total > START_DECADES and flat is not None and flat < START_ACROSS
    return stuck(record, record.last_step)


def _says(lost: Decay, grads: Mapping[str, float], proof: Evidence) -> str:
    top, bottom = next(iter(grads)), list(grads)[-1]
    if lost.underflow:
        return f"the gradient at {proof.layer} is exactly 0 while that at {bottom} is not"
    if proof.stat == "decay":
        share, limit = 10**-lost.total, 10 ** -(proof.limit or 0.0)
        return f"the gradient at {top} is {share:.2g} of that at {bottom}; limit {limit:.0g}"
    keeps = 10 ** -(proof.value if math.isfinite(proof.value) else 0.0)
    return (
        f"from {bottom} to {top} each layer keeps {keeps:.2g} of the gradient, "
        f"over {lost.layers} layers; limit {10 ** -(proof.limit or 0.0):.2g}"
    )
