"""UT102: the gradient, the signal or the first loss is far too large."""

from collections.abc import Callable, Iterator

from undertow.core.decay import decay
from undertow.core.derive import growth, guess, held
from undertow.core.finding import Evidence, Symptom
from undertow.core.gate import stuck
from undertow.core.learned import one_batch_progress
from undertow.core.record import Record, Snapshot
from undertow.core.rule import rule

DECADES = 1.5  # gained from the last layer to the first, or by the signal forwards
STEEP = 0.176  # decades a layer (a factor 1.5), over LAYERS or more, fitted with R² > FIT
LAYERS, FIT = 5, 0.8
FIRST_LOSS = 4.0  # times the loss of equal odds on all classes

Proof = tuple[Evidence, str, tuple[str, ...]]


@rule(
    "UT102",
    "exploding-gradient",
    "Gradients, signal or loss explode",
    needs={"grad_l2", "act_rms", "loss"},
    source="Pascanu et al. 2013, sec. 2; limits: diagnosis.md, section 4",
)
def exploding_gradient(record: Record) -> Iterator[Symptom]:
    """Growth of `grad_l2` towards the input, of `act_rms` forwards, or a huge first loss.

    A note where the probe steps come down from it and are still above guessing at their end.
    """
    found = held(record, lambda snap: _proof(record, snap)) or _huge_first_loss(record)
    late = record.kind == "check" and (one_batch_progress(record) or 0.0) > 1
    note = not stuck(record, record.last_step)
    if found is None or (note and not late):
        return
    since, (proof, says, layers) = found
    says += "; it comes down, but slower than from a smaller start" if note else ""
    yield Symptom("UT102", "exploding-gradient", layers, since, (proof,), says, note)


def _proof(record: Record, snap: Snapshot) -> Proof | None:
    tests: tuple[Callable[[Record, Snapshot], Proof | None], ...] = (_backward, _forward)
    return next((proof for test in tests if (proof := test(record, snap)) is not None), None)


def _backward(record: Record, snap: Snapshot) -> Proof | None:
    grads = record.profile("grad_l2", snap)
    lost = decay(grads)
    if lost is None or lost.underflow:
        return None
    decades = record.limit("exploding-decades", DECADES)
    steep = record.limit("exploding-per-layer", STEEP)
    top, bottom = next(iter(grads)), list(grads)[-1]
    middle = list(grads.values())[-1] * 10 ** (-lost.total / 2)
    layers = tuple(path for path, g in grads.items() if g > middle)
    if lost.total < -decades:
        proof = Evidence("decay", "", snap.step, lost.total, -decades)
        says = f"the gradient at {top} is {10**-lost.total:.2g} times that at {bottom}"
        return proof, f"{says}; limit {10**decades:.2g}", layers
    if lost.layers >= LAYERS and lost.fit > FIT and lost.per_layer < -steep:
        proof = Evidence("decay_per_layer", "", snap.step, lost.per_layer, -steep)
        says = f"from {bottom} to {top} each layer multiplies the gradient by"
        return proof, f"{says} {10**-lost.per_layer:.2g}; limit {10**steep:.2g}", layers
    return None


def _forward(record: Record, snap: Snapshot) -> Proof | None:
    grown, decades = growth(record, snap), record.limit("exploding-decades", DECADES)
    if grown is None or grown <= decades:
        return None
    sizes = record.profile("act_rms", snap)
    middle = next(iter(sizes.values())) * 10 ** (grown / 2)
    layers = tuple(path for path, v in sizes.items() if v > middle)
    top, bottom = next(iter(sizes)), list(sizes)[-1]
    says = f"the signal at {bottom} is {10**grown:.2g} times that at {top}; limit {10**decades:.2g}"
    return Evidence("growth", "", snap.step, grown, decades), says, layers


def _huge_first_loss(record: Record) -> tuple[int, Proof] | None:
    odds = guess(record)
    if odds is None or record.first_loss is None:
        return None
    limit = record.limit("exploding-first-loss", FIRST_LOSS) * odds
    if not record.first_loss > limit:
        return None
    proof = Evidence("first_loss", "", 0, record.first_loss, limit)
    says = f"the first loss is {record.first_loss:.3g}, where equal odds give {odds:.3g}"
    return 0, (proof, f"{says}; limit {limit:.3g}", ())
