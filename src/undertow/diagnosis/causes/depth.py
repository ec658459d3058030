"""The depth: more plain layers than a signal lives through."""

from collections.abc import Iterator, Sequence
from statistics import median

from undertow.core.activation import FACTS
from undertow.core.derive import STILL
from undertow.core.errors import UndertowError
from undertow.core.finding import Cause, Evidence, Symptom
from undertow.core.record import Layer, Record
from undertow.core.rule import rule
from undertow.core.theory import mean_field
from undertow.diagnosis.causes.standing import NO_EVIDENCE, settle

SCALES = 6.0  # depth scales a net can be trained through (Schoenholz et al. 2017, sec. 5)


@rule(
    "depth",
    "depth",
    "The plain net is deeper than its signal lives",
    answers={
        "vanishing-gradient", "exploding-gradient", "signal-collapse", "no-progress",
        "dead-units", "zero-gradient",
    },
    source="Schoenholz et al. 2017, sec. 5",
)  # fmt: skip
def depth(record: Record, symptoms: Sequence[Symptom]) -> Iterator[Cause]:
    """Suspect the depth where plain layers outnumber six depth scales 1/|ln χ₁|."""
    plain = [y for y in record.layers if _plain(y)]
    sick = any(s.name in depth.answers for s in symptoms)
    skip = record.plan is not None and record.plan.choices.skip not in (None, "none")
    reach = _reach(plain) if sick and plain and not skip else None
    because, seen, paths = "", NO_EVIDENCE, tuple(y.path for y in plain)
    if reach is not None and len(plain) > reach:
        because = (
            f"{len(plain)} plain layers; by theory a signal lives through {reach:.3g} of these"
        )
        seen = (Evidence("depth", "", 0, float(len(plain)), reach),)
    yield from settle(record, "depth", because, seen, paths if because else ())


def _plain(layer: Layer) -> bool:
    measured = layer.weight_std is not None and layer.weight_std > 0 and layer.fan_in > 0
    return measured and layer.role == "hidden" and layer.act in FACTS and layer.norm in STILL


def _reach(plain: list[Layer]) -> float | None:
    """6/|ln χ₁| of the commonest activation at the median weight variance."""
    words = [y.act for y in plain]
    act = max(set(words), key=words.count)
    variance = median((y.weight_std or 0.0) ** 2 * y.fan_in for y in plain)
    try:
        return SCALES * mean_field(act, variance).depth
    except (UndertowError, ArithmeticError):
        return None
