"""Output head, loss and labels: what a static check has matched."""

from collections.abc import Iterator, Sequence

from undertow.core.finding import Cause, Symptom
from undertow.core.learned import learned
from undertow.core.record import Record
from undertow.core.rule import rule
from undertow.diagnosis.causes.standing import settle

SECTION = "diagnosis.md, section 6"


@rule(
    "output-head",
    "output-head",
    "The last layer does not fit the loss",
    answers={"head-mismatch", "zero-gradient", "no-progress"},
    source=SECTION,
)
def output_head(record: Record, symptoms: Sequence[Symptom]) -> Iterator[Cause]:
    """Suspect the head where the static check found a mismatch."""
    yield from _matched(record, symptoms, "output-head", "head-mismatch")


@rule(
    "loss",
    "loss",
    "The loss does not fit the targets",
    answers={"loss-mismatch", "zero-gradient", "no-progress"},
    source=SECTION,
)
def loss(record: Record, symptoms: Sequence[Symptom]) -> Iterator[Cause]:
    """Suspect the loss where the static check found a mismatch."""
    yield from _matched(record, symptoms, "loss", "loss-mismatch")


@rule(
    "labels",
    "labels",
    "The labels carry nothing to learn",
    answers={"label-error", "no-progress"},
    source=SECTION,
)
def labels(record: Record, symptoms: Sequence[Symptom]) -> Iterator[Cause]:
    """Suspect the labels by range or class count, or where one batch is learned and data is not."""
    names = {s.name for s in symptoms}
    if "label-error" not in names and names == {"no-progress"} and record.kind == "run":
        because = "one batch can be learned and the whole data cannot" if learned(record) else ""
        yield from settle(record, "labels", because)
        return
    yield from _matched(record, symptoms, "labels", "label-error")


def _matched(
    record: Record, symptoms: Sequence[Symptom], factor: str, symptom: str
) -> Iterator[Cause]:
    found = [s for s in symptoms if s.name == symptom]
    because = found[0].says if found else ""
    evidence = found[0].evidence if found else ()
    yield from settle(record, factor, because, evidence)
