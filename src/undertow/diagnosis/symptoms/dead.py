"""UT104: units that no input switches on."""

from collections.abc import Iterator

from undertow.core.activation import FACTS
from undertow.core.derive import held, rectifies
from undertow.core.finding import Evidence, Symptom
from undertow.core.gate import stuck
from undertow.core.learned import learned
from undertow.core.record import Record, Snapshot
from undertow.core.rule import rule

MANY = 0.5  # share of a layer's units: worth a note
MOST = 0.9  # share of a layer's units: a finding, if the net makes no progress
START = 0.97  # the same where no probe steps are taken
ALL = 1.0  # a ReLU layer without one live unit passes nothing on: a finding always


@rule(
    "UT104",
    "dead-units",
    "Units of a ReLU layer fire for no input",
    needs={"dead", "loss"},
    source="Lu et al. 2019, sec. 2; limits: diagnosis.md, section 4",
)
def dead_units(record: Record) -> Iterator[Symptom]:
    """Layers with > .9 dead units in a net that is stuck, or with none alive; > .5 is a note."""
    unprobed = record.kind == "check" and learned(record) is None
    limit = START if unprobed else record.limit("dead-share", MOST)
    gone = _layers(record, limit)
    if gone is not None and (unprobed or stuck(record, record.last_step)):
        yield _symptom(*gone, limit)
        return
    blocked = _layers(record, ALL, only_exact_zero=True)
    if blocked is not None:
        yield _symptom(*blocked, ALL)
        return
    noted = record.limit("dead-note-share", MANY)
    many = _layers(record, noted)
    if many is not None:
        yield _symptom(*many, noted, note=True)


def _layers(
    record: Record, limit: float, *, only_exact_zero: bool = False
) -> tuple[int, dict[str, float], int] | None:
    """First bad step, path -> share of the layers beyond the limit, and the last step."""

    def shares(snap: Snapshot) -> dict[str, float] | None:
        dead = record.profile("dead", snap)
        reached = {p: v for p, v in dead.items() if _off(record, p, exact=only_exact_zero)}
        reached = {p: v for p, v in reached.items() if v > limit or v >= ALL}
        return reached or None

    found = held(record, shares)
    return None if found is None else (found[0], found[1], record.snapshots[-1].step)


def _off(record: Record, path: str, *, exact: bool) -> bool:
    """Whether the layer feeds ReLU or a leaky one (`exact`: 0 for every x ≤ 0)."""
    layer = record.layer(path)
    word = "" if layer is None else layer.act
    return word in FACTS and FACTS[word].relu_family if exact else rectifies(word)


def _symptom(
    since: int, shares: dict[str, float], step: int, limit: float, *, note: bool = False
) -> Symptom:
    seen = tuple(Evidence("dead", path, step, v, limit) for path, v in shares.items())
    worst = max(shares, key=lambda path: shares[path])
    more = f" and {len(shares) - 1} more layers" if len(shares) > 1 else ""
    says = f"{shares[worst]:.0%} of the units at {worst}{more} fire for no input"
    return Symptom(
        "UT104", "dead-units", tuple(shares), since, seen, f"{says}; limit {limit:.0%}", note
    )
