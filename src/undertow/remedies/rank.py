"""Which remedies to propose, in which order, with their values; and the decoy of a proof."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from undertow.core.derive import line_best, long_plain, normalised
from undertow.core.finding import Diagnosis, Experiment, Remedy
from undertow.core.plan import Plan
from undertow.core.record import Record
from undertow.diagnosis.mechanism import handed_broken, speaks
from undertow.remedies import REMEDIES
from undertow.remedies.propose import faults, fitting_init, in_force, propose, raises_rate

LIMIT = 5  # remedies shown and tried
PAIR = " + "
INIT = "init"  # stands for the initialisation that fits the activation
BY_NAME = {r.name: r for r in REMEDIES}

# fmt: off
ORDER: dict[str, tuple[str, ...]] = {  # diagnosis.md, section 8
    "vanishing": (
        "batch-norm", INIT, "relu", "tanh", "skip + batch-norm", "shallower", "aux-head",
    ),
    "exploding": (INIT, "batch-norm", "clip-norm", "adam", "lower-lr", "zero-gamma"),
    "dead": ("reset-bias", "batch-norm", "revive-units", "wider"),
    "saturated": ("standardise-input", INIT, "batch-norm", "relu"),
    "lr-high": ("lower-lr", "warm-up", "adam", "clip-norm", "batch-norm"),
    "lr-low": ("raise-lr", "adam"),
    "input-scale": ("standardise-input", "batch-norm", "adam"),
    "head": ("fix-head", "fix-loss"),
    "data": (),
    "degradation": ("skip + batch-norm", "zero-gamma"),
    "healthy": ("batch-norm", INIT, "raise-lr", "lower-lr"),
}
# fmt: on
TOGETHER: dict[str, tuple[str, ...]] = {  # two changes, for nets no single one repairs
    "vanishing": ("relu + batch-norm", "tanh + batch-norm"),
    "exploding": (
        "zero-gamma + clip-norm",
        "batch-norm + lower-lr",
        "zero-gamma + lower-lr",
        "he-init + lower-lr",
    ),
    "dead": ("wider + batch-norm", "batch-norm + lower-lr", "wider + he-init"),
    "saturated": ("standardise-input + batch-norm",),
    "lr-high": ("batch-norm + lower-lr",),
    "lr-low": ("batch-norm + raise-lr",),
    "input-scale": ("standardise-input + batch-norm", "standardise-input + lower-lr"),
}
FIXES = ("fix-head", "fix-loss")
BESIDE = ("batch-norm", "adam", "standardise-input")  # to a fixed head or loss that is not enough
LAST = ("batch-norm", "standardise-input", "relu + batch-norm", "batch-norm + lower-lr")
INITS = ("he-init", "xavier-init", "orthogonal-init", "lsuv-init")
EXACT = ("reset-bias", "standardise-input", "lower-lr", "raise-lr")  # undo the fault itself
CLIPS = ("clip-norm", "clip-value")
PENALTIES = ("l1", "l2")
NEVER: dict[str, tuple[str, ...]] = {  # offered as a cure of the mechanism: diagnosis.md, section 8
    "vanishing": (*CLIPS, "lower-lr", "leaky-relu", *PENALTIES),
    "exploding": ("skip", "leaky-relu", "relu", *PENALTIES),
    "dead": ("leaky-relu", *CLIPS, "lower-lr", "raise-lr"),
    "saturated": CLIPS,
    "lr-high": (*INITS, "skip", "relu", "raise-lr"),
    "lr-low": tuple(w for w in BY_NAME if w not in ("raise-lr", "adam")),
    "input-scale": ("skip", "shallower"),
    "head": tuple(w for w in BY_NAME if w not in ("fix-head", "fix-loss")),
    "data": tuple(BY_NAME),
    "degradation": ("relu", "leaky-relu", "tanh", "elu", *INITS, *CLIPS),
}
DECOYS: dict[str, tuple[str, ...]] = {  # of one edit each, never seen to help: the same table
    "vanishing": ("clip-norm", "leaky-relu"),
    "exploding": ("l2",),  # a known activation in place of an unbounded one would cure
    "dead": ("clip-norm", "leaky-relu"),
    "saturated": ("clip-norm", "l2"),
    "lr-high": ("he-init", "xavier-init"),
    "lr-low": ("clip-norm", "leaky-relu"),
    "input-scale": ("skip", "shallower", "l2"),
}
DEEP = ("exploding", "vanishing", "healthy")  # words of a plain net its norms do not carry
SINGLE = ("dead", "saturated", "exploding", "input-scale")  # undone by one change, if alone
WHOLE, BOTH = "batch-norm", 2
SHALLOW = 12  # hidden layers up to which Adam's own scale brings a lost gradient back
STRUCTURE = frozenset({"skip", "depth", "width"})  # fields that may find no place in a module


def rank(
    diagnosis: Diagnosis, record: Record, plan: Plan | None = None, limit: int = LIMIT
) -> tuple[Remedy, ...]:
    """The remedies to propose, best first; () without a finding.

    What made the net learn the batch on a copy comes first, then the table's order, last what was
    tried on a copy in vain. Of those that cleared, the bias, the input or the rate that stood off
    its rule leads; the others keep the table's order: a cleared initialisation then trained 25 of
    31 development nets, a cleared batch norm 42 of 42. Nothing is
    offered that is in force already or that never helps the mechanism. Changes of structure are
    named for a module without a plan too, as advice: they have to be made by hand there.

    Args:
        diagnosis: the mechanism and the findings answered.
        record: what was measured, with the experiments.
        plan: of a zoo net; None for a module given as code.
        limit: how many at most.
    """
    if not diagnosis.symptoms or handed_broken(diagnosis.symptoms):
        return ()
    diagnosis = _answered(diagnosis)
    cleared = [r for e in _cleared(record) for r in _answering(e, record)]
    proposed = [r for word in _order(diagnosis, record) for r in _named(word, record)]
    kept: dict[str, Remedy] = {}
    for remedy in (*cleared, *proposed):
        if remedy.name not in kept and _offered(remedy, diagnosis, record, plan):
            kept[remedy.name] = remedy
    table = [r.name for r in proposed]
    order = sorted(kept.values(), key=lambda r: _place(r, record, table))
    return tuple(order[:limit])


def further(
    diagnosis: Diagnosis, record: Record, plan: Plan | None = None, known: Sequence[Remedy] = ()
) -> tuple[Remedy, ...]:
    """What to try once the ranked remedies have failed: the table's other singles, then pairs.

    Args:
        diagnosis: the mechanism and the findings answered.
        record: what was measured.
        plan: of a zoo net; None for a module given as code.
        known: what was ranked already.
    """
    diagnosis = _answered(diagnosis)
    if diagnosis.mechanism == "head":
        return _beside(diagnosis, record)
    mechanisms = (diagnosis.mechanism, *diagnosis.others)
    words = [w for m in mechanisms for w in (*ORDER.get(m, ()), *TOGETHER.get(m, ()))]
    if diagnosis.mechanism == "data":
        return ()
    seen = {r.name for r in known}
    made: dict[str, Remedy] = {}
    for remedy in (r for word in (*words, *LAST) for r in _named(word, record)):
        if remedy.name not in seen and not in_force(remedy, record, plan):
            made.setdefault(remedy.name, remedy)
    return tuple(sorted(made.values(), key=lambda r: PAIR in r.name))


def _answered(diagnosis: Diagnosis) -> Diagnosis:
    """What remedies answer: one bad batch is to be looked at, what else it may be is to be changed.

    A loss that overflows unannounced may lie at its batch or at the net; a change tells.
    """
    first = next(iter(diagnosis.causes), None)
    if diagnosis.mechanism != "data" or first is None or first.name != "batch":
        return diagnosis
    word, *rest = diagnosis.others or (diagnosis.mechanism,)
    return replace(diagnosis, mechanism=word, others=tuple(rest))


def _beside(diagnosis: Diagnosis, record: Record) -> tuple[Remedy, ...]:
    """The fixed head or loss with one change more: behind it the net may be sick as well."""
    fixes = [w for w in FIXES if any(c.name in BY_NAME[w].answers for c in diagnosis.causes)]
    more = [w for m in diagnosis.others for w in ORDER.get(m, ())[:1]]
    words = dict.fromkeys(fitting_init(record) if w == INIT else w for w in (*more, *BESIDE))
    made = (r for fix in fixes for w in words for r in _named(f"{fix}{PAIR}{w}", record))
    return tuple(r for r in made if PAIR in r.name)


def decoy(mechanism: str, plan: Plan | None = None) -> Remedy:
    """A change of equal price that never helped the mechanism, for the false arm of a proof.

    Args:
        mechanism: the word of the diagnosis.
        plan: what it is applied to; None: a module, which takes no change of structure.
    """
    words = DECOYS.get(mechanism, ("clip-norm", "l2"))
    return next((BY_NAME[w] for w in words if _can(BY_NAME[w], plan)), BY_NAME[words[-1]])


def pair(first: Remedy, second: Remedy) -> Remedy:
    """Both changes as one remedy; it has no measured rate of its own."""
    return Remedy(
        name=f"{first.name}{PAIR}{second.name}",
        answers=tuple(dict.fromkeys((*first.answers, *second.answers))),
        change=tuple(dict.fromkeys((*first.change, *second.change))),
        cost=f"{first.cost}; {second.cost}",
    )


def matches(remedy: Remedy, e: Experiment, record: Record) -> bool:
    """Whether an experiment tried this remedy: its first edit, and nothing beyond its edits."""
    if not remedy.change or not e.edits:
        return False
    if remedy.name in ("lower-lr", "raise-lr"):
        only = all(x.field == "lr" for x in e.edits)
        return only and raises_rate(e.edits, record) == (remedy.name == "raise-lr")
    return remedy.change[0] in e.edits and set(e.edits) <= set(remedy.change)


def _can(remedy: Remedy, plan: Plan | None) -> bool:
    if plan is None:
        return not any(e.field in STRUCTURE for e in remedy.change)
    return any(plan.get(e.field) != e.value for e in remedy.change)


def _cleared(record: Record) -> list[Experiment]:
    """What made the net learn, factors off their rule first, then the best score."""
    clear = [e for e in record.experiments if e.outcome == "clears" and e.edits]
    return sorted(clear, key=lambda e: (not _leads(e), -e.score, e.price))


def _leads(e: Experiment) -> bool:
    return e.deviates and speaks(e)


def _answering(e: Experiment, record: Record) -> list[Remedy]:
    """The remedies an experiment tried; for several factors at once, their pair."""
    whole = [r for r in REMEDIES if matches(r, e, record)]
    if whole:
        return [p for r in whole if (p := propose(r, record)) is not None]
    parts = [r for x in e.edits for r in REMEDIES if matches(r, replace(e, edits=(x,)), record)]
    if len(parts) < 2 or {x for r in parts for x in r.change} < set(e.edits):
        return []
    joined = parts[0]
    for part in parts[1:]:
        joined = pair(joined, part)
    return [replace(joined, change=e.edits)]


def _order(diagnosis: Diagnosis, record: Record) -> tuple[str, ...]:
    """The table's order; two faults at once need the change that answers both (section 8).

    Undoing one of two leaves the other: of 8 labelled nets whose record shows two, undoing the
    mechanism's own repaired none and batch norm 7. Equal rows are parted by a draw and by nothing
    else, whatever the activation. Adam trained 85 of 235 labelled vanishing nets of 12 layers or
    fewer under plain SGD (`relu` 46 of 207, `shallower` 21 of 204), and 9 of 48 deeper ones.
    """
    words = ORDER.get(diagnosis.mechanism, ())
    if diagnosis.mechanism == "vanishing" and _hidden(record) <= SHALLOW:
        words = tuple(dict.fromkeys((*words[:2], "adam", *words[2:])))
    if any(s.name == "symmetric-weights" for s in diagnosis.symptoms):
        words = tuple(dict.fromkeys((fitting_init(record) or "xavier-init", *words)))
    if diagnosis.mechanism in DEEP and long_plain(record):
        words = tuple(dict.fromkeys(("skip", *words)))
    if diagnosis.mechanism not in SINGLE or faults(record) < BOTH:
        return words
    return tuple(dict.fromkeys((WHOLE, *words)))


def _hidden(record: Record) -> int:
    return sum(y.role == "hidden" for y in record.layers)


def _named(word: str, record: Record) -> Iterable[Remedy]:
    if word == INIT:
        word = fitting_init(record)
    made = [propose(BY_NAME[w], record) for w in word.split(PAIR) if w in BY_NAME]
    ready = [r for r in made if r is not None]
    if len(ready) == 2:
        return (pair(*ready),)
    return ready


def _offered(remedy: Remedy, diagnosis: Diagnosis, record: Record, plan: Plan | None) -> bool:
    never = NEVER.get(diagnosis.mechanism, ())
    if diagnosis.mechanism == "exploding" and normalised(record):
        never = tuple(w for w in never if w != "skip")  # it never helped without a norm
    led = any(_leads(e) and matches(remedy, e, record) for e in _cleared(record))
    if remedy.name in never and not led:
        return False
    if diagnosis.mechanism == "healthy" and not _sides_with_line(remedy, record):
        return False
    if remedy.name == "clip-norm" and any(s.name == "non-finite" for s in diagnosis.symptoms):
        return any(s.name == "non-finite" and s.since > 0 for s in diagnosis.symptoms)
    if remedy.name in FIXES:
        return any(c.name in remedy.answers for c in diagnosis.causes)
    return not in_force(remedy, record, plan)


def _sides_with_line(remedy: Remedy, record: Record) -> bool:
    """Whether a change of the rate goes where the line probe is best; True for all others."""
    best = line_best(record)
    if best is None or remedy.name not in ("lower-lr", "raise-lr"):
        return True
    return best > 1 if remedy.name == "raise-lr" else best < 1


def _place(remedy: Remedy, record: Record, table: Sequence[str]) -> tuple[int, int]:
    """0 cleared as the factor off its rule, 1 cleared, 2 untried, 3 tried in vain; then the table.

    Untried ones and those in vain stay as they came: those come by the table. A few steps on one
    batch are short for the table's first word: where it moved the statistic it counts as cleared
    (3 labelled vanishing nets had `relu` before a batch norm that helped: the new activation
    alone trained none of them, the norm all).
    """
    tried = [e for e in record.experiments if matches(remedy, e, record) or _same(remedy, e)]
    own = table.index(remedy.name) if remedy.name in table else len(table)
    helped = own == 0 and any(e.outcome == "helps" for e in tried)
    if helped or any(e.outcome == "clears" for e in tried):
        leads = remedy.name in EXACT and any(map(_leads, tried)) and not _outranked(remedy, record)
        return (0, 0) if leads else (1, own)
    return (3, 0) if any(e.outcome in ("no change", "worse") for e in tried) else (2, 0)


def _outranked(remedy: Remedy, record: Record) -> bool:
    """A higher rate, where weights off their rule explain alone why no layer moves."""
    rivals = (e for e in _cleared(record) if e.factor == "initialisation" and _leads(e))
    return remedy.name == "raise-lr" and any(rivals)


def _same(remedy: Remedy, e: Experiment) -> bool:
    return bool(e.edits) and set(remedy.change) == set(e.edits)
