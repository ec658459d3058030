"""UT201-UT206: head, loss, labels, input and symmetric weights, seen without training."""

from collections.abc import Iterator
from dataclasses import replace

from undertow.core.derive import GUESSING, normed_first, progress
from undertow.core.finding import Evidence, Symptom
from undertow.core.gate import stuck, verdict_after
from undertow.core.learned import learned
from undertow.core.record import Record
from undertow.core.rule import rule

RMS_LOW, RMS_HIGH = 0.1, 10.0  # root mean square of the features; outside it they are raw
ABS_MAX = 30.0  # largest magnitude of a feature
STD_RATIO = 100.0  # largest over smallest standard deviation of the features
CONSTANT = "input_constant"  # features that never change within the batch
TARGET_RMS = 100.0  # root mean square of regression targets
SECTION = "diagnosis.md, section 4"


@rule(
    "UT201",
    "head-mismatch",
    "The last layer does not fit the loss",
    source=f"DeepLocalize, UMLAUT; {SECTION}",
)
def head_mismatch(record: Record) -> Iterator[Symptom]:
    """A softmax or sigmoid taken twice, a softmax of one unit, an output the targets leave."""
    yield from _stored(record, "UT201")


@rule("UT202", "loss-mismatch", "The loss cannot train this net", source=SECTION)
def loss_mismatch(record: Record) -> Iterator[Symptom]:
    """Squared error on class numbers, or a loss detached from the graph."""
    yield from _stored(record, "UT202")


@rule("UT203", "label-error", "The labels cannot be learned", source=SECTION)
def label_error(record: Record) -> Iterator[Symptom]:
    """A label outside [0, C), or only one class in the batch."""
    yield from _stored(record, "UT203")


@rule(
    "UT204",
    "input-range",
    "The features are of a raw scale",
    needs={"loss"},
    source=f"LeCun et al. 1998, sec. 4.3; {SECTION}",
)
def input_range(record: Record) -> Iterator[Symptom]:
    """Features or targets off the usual scale, without a norm first, in a net that is stuck.

    Constant features alone are a note: the borders of pictures are, and explain no failure.
    Inputs scaled otherwise than the weights trained on expect need no such net, nor do inputs
    that are all alike.
    """
    stored = tuple(_stored(record, "UT204"))
    seen = tuple(_off_scale(record)) if _open(record) and not stored else ()
    if seen:
        says = "; ".join(_words(e) for e in seen)
        note = all(e.stat == CONSTANT for e in seen)
        yield Symptom("UT204", "input-range", (), 0, seen, says, note)
    yield from stored


@rule(
    "UT205",
    "symmetric-weights",
    "Two rows of a weight are equal and stay so",
    needs={"loss"},
    source=f"Goodfellow et al. 2016, sec. 8.4; {SECTION}",
)
def symmetric_weights(record: Record) -> Iterator[Symptom]:
    """Rows equal in weight and in gradient, in a net that is stuck."""
    yield from _stored(record, "UT205")


@rule("UT206", "eval-gap", "Evaluation differs from training", source=SECTION)
def eval_gap(record: Record) -> Iterator[Symptom]:
    """A note, never a finding: what evaluation mode changes on the same batch."""
    for s in record.static:
        if s.id == "UT206":
            yield replace(s, note=True)


def _stored(record: Record, id: str) -> Iterator[Symptom]:
    """Static symptoms of one id; a gated one (stored as a note) needs a net that is stuck."""
    for s in record.static:
        if s.id == id and (not s.note or _open(record) or _unproven(record, s)):
            yield replace(s, note=False)


def _open(record: Record) -> bool:
    """The gate of the static checks marked †; closed where no probe steps were taken."""
    if record.kind == "check":
        return learned(record) is False
    return stuck(record, record.last_step)


def _unproven(record: Record, s: Symptom) -> bool:
    """Whether raw data found before a training began stay a finding: no norm, nothing learned yet.

    From the verdict on the gate alone says it.
    """
    if s.id != "UT204" or record.kind == "check" or normed_first(record):
        return False
    share = progress(record, record.last_step)
    return record.last_step + 1 < verdict_after(record) and (share is None or share > GUESSING)


def _off_scale(record: Record) -> Iterator[Evidence]:
    facts = record.input
    if facts.target_rms is not None and facts.target_rms > TARGET_RMS:
        yield Evidence("target_rms", "", 0, facts.target_rms, TARGET_RMS)
    if normed_first(record):
        return
    if facts.rms is not None and not RMS_LOW <= facts.rms <= RMS_HIGH:
        limit = RMS_LOW if facts.rms < RMS_LOW else RMS_HIGH
        yield Evidence("input_rms", "", 0, facts.rms, limit)
    if facts.abs_max is not None and facts.abs_max > ABS_MAX:
        yield Evidence("input_max", "", 0, facts.abs_max, ABS_MAX)
    if facts.std_ratio is not None and facts.std_ratio > STD_RATIO:
        yield Evidence("input_std_ratio", "", 0, facts.std_ratio, STD_RATIO)
    if facts.constant:
        yield Evidence(CONSTANT, "", 0, float(facts.constant), 0.0)


def _words(e: Evidence) -> str:
    name = {
        "target_rms": "the targets' root mean square",
        "input_rms": "the features' root mean square",
        "input_max": "the largest feature",
        "input_std_ratio": "the widest feature over the narrowest",
        CONSTANT: "the number of constant features",
    }[e.stat]
    return f"{name} is {e.value:.3g}; limit {e.limit:g}"
