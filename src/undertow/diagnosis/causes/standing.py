"""What the experiments say of a cause: supported, still suspected, or tried in vain."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from undertow.core.finding import Cause, Evidence, Experiment, Reading
from undertow.core.record import Record
from undertow.diagnosis.mechanism import CONVENTION, DECOY, OWN, STRUCTURE, speaks

PAIR = " + "
GENERIC = "normalisation"
VAIN = ("no change", "worse")
BETTER = ("clears", "helps")
NO_EVIDENCE: Sequence[Evidence] = ()


def alone(record: Record, factor: str) -> tuple[Experiment, ...]:
    """The experiments of this factor that speak of it: for the rate, those that only scale it."""
    return tuple(e for e in record.experiments if e.factor == factor and speaks(e))


def _luck(record: Record) -> bool:
    """Whether the same initialisation drawn again also clears: a new draw proves nothing then."""
    return any(e.factor == DECOY and e.outcome == "clears" for e in record.experiments)


def clearing(record: Record, factor: str) -> Experiment | None:
    """The best experiment that changes this factor alone and makes the net learn the batch."""
    found = [e for e in alone(record, factor) if e.outcome == "clears"]
    if factor in STRUCTURE and _luck(record):
        return None
    return max(found, key=lambda e: (e.deviates, e.score), default=None)


def backed(record: Record, factor: str) -> bool:
    """Whether an experiment alone names the factor: it clears, and no deviating rival does."""
    own = clearing(record, factor)
    if own is None:
        return False
    rivals = (e for e in record.experiments if e.outcome == "clears" and e.deviates)
    return own.deviates or not any(PAIR not in e.factor for e in rivals)


def pairs(record: Record, factor: str) -> tuple[Experiment, ...]:
    """The best clearing experiment that changes this factor together with another, or ().

    A pair says nothing where one of its factors clears alone, and one with a norm, which clears
    nearly all, nothing where a pair without clears too.
    """
    sole = {e.factor for e in record.experiments if e.outcome == "clears" and speaks(e)}
    each = [e for e in record.experiments if PAIR in e.factor and e.outcome == "clears"]
    telling = [e for e in each if not sole & set(e.factor.split(PAIR))]
    specific = [e for e in telling if GENERIC not in e.factor.split(PAIR)]
    best = max(specific or telling, key=lambda e: e.score, default=None)
    return (best,) if best is not None and factor in best.factor.split(PAIR) else ()


def reach(record: Record, factor: str) -> float:
    """How far this factor alone moved the symptom's statistic towards healthy: its best score."""
    return max((e.score for e in alone(record, factor)), default=0.0)


def in_vain(record: Record, factor: str) -> bool:
    """Whether every experiment of the factor, alone and in pairs, left the net as it was."""
    own = [e for e in alone(record, factor) if e.outcome != "not tested"]
    hopeless = bool(own) and not any(e.outcome in BETTER for e in own)
    return hopeless and not pairs(record, factor)


def settle(
    record: Record,
    factor: str,
    because: str,
    evidence: Sequence[Evidence] = NO_EVIDENCE,
    layers: tuple[str, ...] = (),
) -> Iterator[Cause]:
    """The cause with its standing, or nothing: neither suspected nor backed, or tried in vain.

    Args:
        record: what holds the experiments.
        factor: the cause's word.
        because: the static evidence in one sentence with its numbers; "" is no suspicion.
        evidence: the numbers themselves.
        layers: where.
    """
    single, together = clearing(record, factor), pairs(record, factor)
    if in_vain(record, factor) or not (because or backed(record, factor) or together):
        return
    said = [because] if because else []
    if single is not None:
        said.append(_cleared(single))
    elif together:
        both = together[0].factor.replace(PAIR, " and ")
        said.append(f"needs both {both}: {_cleared(together[0])}")
    standing = "supported" if single is not None or together else "suspected"
    text = "; ".join(said)
    yield Cause(factor, layers, text, tuple(evidence), standing, excluded(record, factor))


def excluded(record: Record, factor: str) -> tuple[Experiment, ...]:
    """The experiments of rival factors that changed nothing or made it worse."""
    vain = (e for e in record.experiments if e.outcome in VAIN and PAIR not in e.factor)
    return tuple(e for e in vain if e.factor not in (factor, DECOY))


def ranked(record: Record, word: str, causes: Sequence[Cause]) -> tuple[Cause, ...]:
    """Supported first; then factors off their rule, the mechanism's own, and the convention.

    A norm cures nearly everything, so a supported one stands behind the other supported ones; no
    experiment speaks for what is only suspected, and there the mechanism's own factors lead. An
    activation that is nowhere off its rule is a remedy before it is a cause.
    """

    def key(c: Cause) -> tuple[bool | float, ...]:
        best, suspected = clearing(record, c.name), c.standing != "supported"
        off = best is not None and best.deviates
        known: float = CONVENTION.index(c.name) if c.name in CONVENTION else len(CONVENTION)
        if suspected and c.name == "activation" and c.layers:  # flat: no initialisation alone helps
            known = CONVENTION.index("initialisation") - 0.5
        far = 0.0 if off else -reach(record, c.name)
        sound = c.name == "activation" and not (suspected or c.layers)
        generic, foreign = c.name == GENERIC, c.name not in OWN.get(word, ())
        order = (foreign, generic) if suspected else (generic, foreign)
        return suspected, not off, sound, *order, far, known

    kept = [c if c.excluded else replace(c, excluded=excluded(record, c.name)) for c in causes]
    return tuple(sorted(kept, key=key))


def _cleared(e: Experiment) -> str:
    changed = f"with {e.variant} {'' if PAIR in e.factor else 'alone '}the net learns the batch"
    return f"{changed} ({_moved(e.before, e.after)})"


def _moved(before: Reading, after: Reading) -> str:
    if before.progress is not None and after.progress is not None:
        return f"loss over the best constant's {before.progress:.3g} → {after.progress:.3g}"
    if before.value is not None and after.value is not None:
        return f"{before.stat} {before.value:.3g} → {after.value:.3g}"
    return f"{before.stat} not measured"
