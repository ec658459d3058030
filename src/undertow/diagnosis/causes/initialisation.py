"""The initialisation: weights off the size that keeps a signal's scale from layer to layer."""

import math
from collections.abc import Iterator, Sequence
from statistics import median

from undertow.core.activation import FACTS
from undertow.core.derive import STILL
from undertow.core.finding import Cause, Evidence, Symptom
from undertow.core.record import Layer, Record
from undertow.core.rule import rule
from undertow.diagnosis.causes.standing import settle

LONE = 10.0  # times the rule that a minority of layers must be off to be suspected
OFF = 3.0  # times the rule's standard deviation, either way (diagnosis.md, section 6)
DECADES = 1.5  # that a small error a layer adds up to over the depth of a plain net
SYMMETRIC = ("tanh", "selu", "elu", "identity")  # critical at σ_w = 1 (diagnosis.md, section 12)


@rule(
    "initialisation",
    "initialisation",
    "The weights start off the size their activation needs",
    answers={
        "vanishing-gradient", "exploding-gradient", "signal-collapse", "saturated-units",
        "dead-units", "non-finite", "no-progress", "symmetric-weights", "oscillation",
    },
    source="Glorot & Bengio 2010, eq. 12; He et al. 2015, sec. 2.2",
)  # fmt: skip
def initialisation(record: Record, symptoms: Sequence[Symptom]) -> Iterator[Cause]:
    """Suspect it where weights are off their rule by 3 times, or add up to 1.5 decades."""
    sick = any(s.name in initialisation.answers for s in symptoms)
    off = {y: r for y in record.layers if (r := off_rule(y)) is not None} if sick else {}
    far = {y: r for y, r in off.items() if not 1 / OFF <= r <= OFF}
    if 2 * len(far) <= len(off) and not any(r > LONE or r < 1 / LONE for r in far.values()):
        far = {}  # a first layer of few inputs is often off by itself, and harmless
    because, rows = "", far
    if far:
        worst = max(far, key=lambda y: abs(math.log(far[y])))
        because = (
            f"{len(far)} of {len(off)} layers start off the rule by more than {OFF:g} times; "
            f"{worst.path} has {far[worst]:.2g} times the standard deviation its activation needs"
        )
    elif (total := _adds_up(off)) is not None:
        rows = off
        because = (
            f"the weights have {median(off.values()):.2g} times the standard deviation their "
            f"activation needs; over {len(off)} plain layers that is {total:+.2g} decades"
        )
    elif any(s.name == "symmetric-weights" for s in symptoms):
        because = "rows of a weight start equal and receive equal gradients"
    seen = tuple(Evidence("weight_std_over_rule", y.path, 0, r, OFF) for y, r in rows.items())
    paths = tuple(y.path for y in rows) if because else ()
    yield from settle(record, "initialisation", because, seen if because else (), paths)


def off_rule(layer: Layer) -> float | None:
    """Start weight std over gain/√fan_in of the activation fed; None with a norm or unknown."""
    known = layer.act in FACTS and math.isfinite(layer.weight_std or 0.0) and layer.fan_in > 0
    if not known or layer.role != "hidden" or layer.norm not in STILL or layer.weight_std is None:
        return None
    gain = 1.0 if layer.act in SYMMETRIC else FACTS[layer.act].gain
    return layer.weight_std * math.sqrt(layer.fan_in) / gain or math.ulp(0.0)


def _adds_up(off: dict[Layer, float]) -> float | None:
    """Decades that the median error adds up to over a plain net; None within 1.5."""
    steep = [r for y, r in off.items() if FACTS[y.act].top_slope > 0.25]
    if not steep:
        return None
    total = len(steep) * math.log10(median(steep))
    return total if abs(total) > DECADES else None
