"""The activation: its slope is small everywhere, so that every layer loses gradient."""

from collections.abc import Iterator, Sequence

from undertow.core.activation import FACTS
from undertow.core.finding import Cause, Symptom
from undertow.core.record import Layer, Record
from undertow.core.rule import rule
from undertow.diagnosis.causes.standing import settle

FLAT = 0.25  # top slope: a factor 4 or more a layer, unless the weights make up for it
LAYERS = 5  # layers of it before it explains a loss that does not fall
NAMES = frozenset({"vanishing-gradient", "signal-collapse"})


@rule(
    "activation",
    "activation",
    "The activation scales the gradient down at every layer",
    answers={"vanishing-gradient", "signal-collapse", "saturated-units", "no-progress"},
    source="LeCun et al. 1998, sec. 4.4; Glorot & Bengio 2010",
)
def activation(record: Record, symptoms: Sequence[Symptom]) -> Iterator[Cause]:
    """Suspect the activation where starved layers feed one whose slope is small everywhere."""
    sick = [s for s in symptoms if s.name in activation.answers]
    starved = {path for s in sick if s.name in NAMES for path in s.layers}
    rows = [y for y in record.layers if y.path in starved] if starved else _hidden(record)
    flat = [y for y in rows if y.act in FACTS and FACTS[y.act].top_slope <= FLAT and not y.norm]
    because = ""
    if sick and flat and (starved or len(flat) >= LAYERS):
        words = ", ".join(sorted({y.act for y in flat}))
        kind = "starved" if starved else "hidden"
        because = f"{len(flat)} of {len(rows)} {kind} layers feed {words} (slope ≤ {FLAT})"
    evidence = tuple(e for s in sick for e in s.evidence)
    yield from settle(record, "activation", because, evidence, tuple(y.path for y in flat))


def _hidden(record: Record) -> list[Layer]:
    return [y for y in record.layers if y.role == "hidden"]
