"""One batch: a run that was sound breaks at it, and nothing before had announced that."""

import math
from collections.abc import Iterator, Sequence

from undertow.core.derive import W
from undertow.core.finding import Cause, Evidence, Symptom
from undertow.core.outlier import CALM, SPIKE, from_input, outlier
from undertow.core.record import Record
from undertow.core.rule import rule
from undertow.diagnosis.causes.standing import settle

BROKEN = ("non-finite", "no-progress", "oscillation", "dead-units", "saturated-units",
          "vanishing-gradient", "exploding-gradient", "signal-collapse", "zero-gradient",
          "unchanged-parameters")  # fmt: skip


@rule(
    "batch",
    "batch",
    "One batch breaks a sound run",
    answers=set(BROKEN),
    source="diagnosis.md, sections 5 and 6",
)
def batch(record: Record, symptoms: Sequence[Symptom]) -> Iterator[Cause]:
    """Suspect the batch whose loss stands out, or that holds NaN before the first layer."""
    if record.kind != "run" or not any(s.name in BROKEN and not s.note for s in symptoms):
        return
    held = next((s for s in symptoms if s.name == "non-finite" and from_input(record)), None)
    if held is not None:
        yield from settle(record, "batch", held.says, held.evidence)
        return
    found = outlier(record)
    if found is not None:
        step, times = found
        yield from settle(record, "batch", _says(step, times), (_seen(step, times),))


def _seen(step: int, times: float) -> Evidence:
    return Evidence("loss_spike", "", step, times, SPIKE)


def _says(step: int, times: float) -> str:
    is_ = f"{times:.3g} times the usual; limit {SPIKE:g}" if math.isfinite(times) else f"{times}"
    return (
        f"the loss of step {step} is {is_}, and nothing announced it: of the {W} before, the last"
        f" lie within {CALM:g} times their median and the rate is the same; look at that batch, and"
        " at logarithms, roots and divisions in the loss"
    )
