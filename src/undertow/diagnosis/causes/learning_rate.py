"""The learning rate: steps too large for the curvature, or too small to move anything."""

from collections.abc import Iterator, Sequence

from undertow.core.derive import first, largest_update, line_best, stability
from undertow.core.finding import Cause, Evidence, Symptom
from undertow.core.record import Record
from undertow.core.rule import rule
from undertow.diagnosis.causes.standing import settle
from undertow.diagnosis.mechanism import HARD, UNSTABLE, too_high, too_low

NOTHING = 1e-5  # largest update_ratio of a step that moves no layer (diagnosis.md, section 6)
FROZEN = frozenset({"zero-gradient", "label-error", "loss-mismatch"})


@rule(
    "learning-rate",
    "learning-rate",
    "The learning rate does not fit",
    answers={
        "no-progress", "oscillation", "non-finite", "exploding-gradient", "dead-units",
        "saturated-units", "unchanged-parameters", "signal-collapse", "vanishing-gradient",
    },
    source="LeCun et al. 1998, sec. 5; limits: diagnosis.md, sections 5 and 6",
)  # fmt: skip
def learning_rate(record: Record, symptoms: Sequence[Symptom]) -> Iterator[Cause]:
    """Suspect the rate by lr·λ, by the size of the first step, or by the line probe."""
    if record.kind == "check" and not record.optimizer.name:
        return
    sick = any(s.name in learning_rate.answers for s in symptoms)
    seen = tuple(_seen(record, symptoms)) if sick else ()
    yield from settle(record, "learning-rate", "; ".join(_words(e) for e in seen), seen)


def _seen(record: Record, symptoms: Sequence[Symptom]) -> Iterator[Evidence]:
    unstable, start = stability(record), first(record)
    if unstable is not None and unstable >= UNSTABLE:
        yield Evidence("stability", "", 0, unstable, UNSTABLE)
    moves = None if start is None else largest_update(record, start)
    if moves is not None and moves > HARD:
        yield Evidence("update_ratio", "", 0, moves, HARD)
    if moves is not None and moves < NOTHING and not any(s.name in FROZEN for s in symptoms):
        yield Evidence("update_ratio", "", 0, moves, NOTHING)
    late = next((s.since for s in symptoms if s.name == "non-finite" and s.since > 0), None)
    alone = not any(s.name == "exploding-gradient" for s in symptoms)
    if record.kind == "run" and late is not None and moves is not None and alone:
        yield Evidence("finite_steps", "", late, float(late))
    best = line_best(record)
    off = too_high(record, symptoms) is not None or too_low(record, symptoms) is not None
    if best is not None and best != 1 and off:
        yield Evidence("line_best", "", 0, best, 1.0)


def _words(e: Evidence) -> str:
    if e.stat == "stability":
        return f"lr·λ is {e.value:.3g} times what a stable step allows; limit {e.limit:g}"
    if e.stat == "finite_steps":
        return f"every number was finite before step {e.step}: the start was sound"
    if e.stat == "line_best":
        return f"a step of {e.value:g} times the rate lowers the loss most"
    side = "more" if e.limit is not None and e.value > e.limit else "less"
    most = f"the first step changes a layer by at most {e.value:.2g} of its size"
    return f"{most}, {side} than {e.limit:g}"
