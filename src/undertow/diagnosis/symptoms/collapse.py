"""UT103: all inputs look alike at the last hidden layer."""

from collections.abc import Iterator

from undertow.core.derive import held
from undertow.core.finding import Evidence, Symptom
from undertow.core.gate import stuck
from undertow.core.learned import learned
from undertow.core.record import Record, Snapshot
from undertow.core.rule import rule

COLLAPSED = 0.02  # spread of the last hidden layer; healthy nets start at .135 or more
START = 3e-4**0.5  # the same where no probe steps are taken (spread² < 3e-4)


@rule(
    "UT103",
    "signal-collapse",
    "The output hardly depends on the input",
    needs={"spread", "loss"},
    source="Schoenholz et al. 2017, sec. 3; limit: diagnosis.md, section 4",
)
def signal_collapse(record: Record) -> Iterator[Symptom]:
    """`spread` of the last hidden layer below .02, in a net that makes no progress."""
    unprobed = record.kind == "check" and learned(record) is None
    limit = START if unprobed else record.limit("collapse-spread", COLLAPSED)
    found = held(record, lambda snap: _proof(record, snap, limit))
    if found is None or not (unprobed or stuck(record, record.last_step)):
        return
    since, (proof, layers) = found
    says = f"at {proof.layer} the output varies by {proof.value:.2g} of its size over the inputs"
    yield Symptom("UT103", "signal-collapse", layers, since, (proof,), f"{says}; limit {limit:.2g}")


def _proof(record: Record, snap: Snapshot, limit: float) -> tuple[Evidence, tuple[str, ...]] | None:
    spreads = record.profile("spread", snap)
    if not spreads:
        return None
    last = list(spreads)[-1]
    if not spreads[last] < limit:
        return None
    alike = tuple(path for path, v in spreads.items() if v < limit)
    return Evidence("spread", last, snap.step, spreads[last], limit), alike
