"""The normalisation: none where depth needs one, or more plain layers than it carries."""

from collections.abc import Iterator, Sequence

from undertow.core.derive import LONG
from undertow.core.finding import Cause, Evidence, Symptom
from undertow.core.record import Record
from undertow.core.rule import rule
from undertow.diagnosis.causes.standing import NO_EVIDENCE, settle

LAYERS = 5  # plain hidden layers from which a missing norm is worth naming


@rule(
    "normalisation",
    "normalisation",
    "Nothing keeps the signal at one scale",
    answers={
        "vanishing-gradient", "exploding-gradient", "signal-collapse", "dead-units",
        "saturated-units", "non-finite",
    },
    source="Ioffe & Szegedy 2015, sec. 3; Yang et al. 2019",
)  # fmt: skip
def normalisation(record: Record, symptoms: Sequence[Symptom]) -> Iterator[Cause]:
    """Suspect a missing norm in a plain net, or too many plain layers with batch norm."""
    sick = any(s.name in normalisation.answers for s in symptoms)
    hidden = record.where(lambda y: y.role == "hidden")
    normed = [y for y in hidden if y.norm == "batch"]
    skip = record.plan is not None and record.plan.choices.skip not in (None, "none")
    because, seen = "", NO_EVIDENCE
    if sick and not record.normalised and len(hidden) >= LAYERS:
        because = f"none of {len(hidden)} hidden layers is normalised"
    elif sick and not skip and len(normed) > LONG:
        because = f"{len(normed)} batch-normalised layers without skips; limit {LONG}"
        seen = (Evidence("depth", "", 0, float(len(normed)), float(LONG)),)
    yield from settle(record, "normalisation", because, seen)
