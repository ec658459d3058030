"""The input's scale: features far from mean 0 and standard deviation 1."""

from collections.abc import Iterator, Sequence

from undertow.core.derive import RAW_MAX, RAW_RMS, raw_input
from undertow.core.finding import Cause, Evidence, Symptom
from undertow.core.record import Record
from undertow.core.rule import rule
from undertow.diagnosis.causes.standing import NO_EVIDENCE, settle


@rule(
    "input-scale",
    "input-scale",
    "The features come in at a raw scale",
    answers={
        "input-range", "no-progress", "exploding-gradient", "non-finite", "dead-units",
        "saturated-units", "oscillation", "signal-collapse", "vanishing-gradient",
    },
    source="LeCun et al. 1998, sec. 4.3",
)  # fmt: skip
def input_scale(record: Record, symptoms: Sequence[Symptom]) -> Iterator[Cause]:
    """Suspect features of root mean square over 5 or beyond 30 that no norm follows."""
    ranges = [s for s in symptoms if s.name == "input-range"]
    sick = any(s.name in input_scale.answers for s in symptoms)
    facts, because, seen = record.input, "", NO_EVIDENCE
    if sick and raw_input(record) and facts.rms is not None and facts.abs_max is not None:
        because = (
            f"the features have root mean square {facts.rms:.3g} and reach {facts.abs_max:.3g} "
            f"(limits {RAW_RMS:g} and {RAW_MAX:g}) and no norm follows the first layer"
        )
        seen = (
            Evidence("input_rms", "", 0, facts.rms, RAW_RMS),
            Evidence("input_max", "", 0, facts.abs_max, RAW_MAX),
        )
    elif ranges:
        because, seen = ranges[0].says, ranges[0].evidence
    yield from settle(record, "input-scale", because, seen)
