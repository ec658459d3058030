"""UT105: inputs so large that the activation is flat there."""

from collections.abc import Iterator

from undertow.core.derive import held
from undertow.core.finding import Evidence, Symptom
from undertow.core.gate import stuck
from undertow.core.record import Record, Snapshot
from undertow.core.rule import rule

MOST = 0.9  # share of a layer's inputs with slope < 5 % of the top; healthy runs show .61-.80


@rule(
    "UT105",
    "saturated-units",
    "An activation works where it is flat",
    needs={"saturated", "loss"},
    source="Glorot & Bengio 2010, sec. 3; limit: diagnosis.md, section 4",
)
def saturated_units(record: Record) -> Iterator[Symptom]:
    """Layers whose activation is flat for more than .9 of its inputs, in a net that is stuck."""
    found = held(record, lambda snap: _shares(record, snap))
    if found is None or not stuck(record, record.last_step):
        return
    since, shares = found
    limit = record.limit("saturated-share", MOST)
    step = record.snapshots[-1].step
    seen = tuple(Evidence("saturated", path, step, v, limit) for path, v in shares.items())
    worst = max(shares, key=lambda path: shares[path])
    more = f" (and {len(shares) - 1} more layers)" if len(shares) > 1 else ""
    says = f"the activation after {worst} is flat for {shares[worst]:.0%} of its inputs{more}"
    yield Symptom(
        "UT105", "saturated-units", tuple(shares), since, seen, f"{says}; limit {limit:.0%}"
    )


def _shares(record: Record, snap: Snapshot) -> dict[str, float] | None:
    limit = record.limit("saturated-share", MOST)
    flat = {p: v for p, v in record.profile("saturated", snap).items() if v > limit}
    return flat or None
