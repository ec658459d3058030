"""The one word for what is going on: an ordered list, read once, then put to the experiments."""

import math
from collections.abc import Callable, Iterator, Sequence

from undertow.core.activation import FACTS
from undertow.core.decay import LOST, decay
from undertow.core.derive import (
    DIVERGED,
    FAR,
    RAW_MAX,
    RAW_RMS,
    SLOW,
    across,
    base_rate,
    first,
    growth,
    guess,
    largest_update,
    line_at,
    line_best,
    raw_input,
    rectifies,
    spread,
)
from undertow.core.finding import Experiment, Symptom
from undertow.core.outlier import from_input, outlier
from undertow.core.record import Record, Snapshot

NONE = "healthy"  # the word where no mechanism can be named
DEAD = 0.9  # share of a layer's units
SATURATED = 0.5  # mean share over the layers
FIRST_LOSS = 4.0  # times the loss of equal odds
GROWN = 1.5  # decades, forwards or towards the input
MERGED = 1e-3  # spread² of the last hidden layer
FLAT = 3e-3  # standard deviation of the last hidden output across inputs
RISES = 1.02  # loss after the user's own step over the loss before it
SLOWER = 3e-3  # largest update_ratio of a rate that is too low where nothing else is off
WANTS = 10.0  # times the user's rate at which the line probe is best, beside such steps
SCALED = 0.3  # share of the rate that Adam's first step moves a weight by; its gradient is heard
HARD = 0.1  # update_ratio of a step that can break a healthy start
UNSTABLE = 10.0  # lr·λ over its limit: evidence from here (diagnosis.md, section 5)

STATIC = {"UT201": "head", "UT202": "head", "UT203": "data"}
DECOY = "decoy"  # the factor word of an experiment that changes nothing but the draw
STRUCTURE = ("activation", "initialisation", "normalisation", "depth")
SHAPES = ("vanishing", "exploding", "dead", "saturated")
OWN = {
    "vanishing": STRUCTURE,
    "exploding": STRUCTURE,
    "saturated": (*STRUCTURE, "bias", "input-scale"),
    "dead": ("bias",),
    "lr-high": ("learning-rate",),
    "lr-low": ("learning-rate",),
    "input-scale": ("input-scale",),
    "head": ("output-head", "loss"),
    "data": ("labels", "batch"),
}
FIXED = {
    "input-scale": "input-scale",
    "labels": "data",
    "batch": "data",
    "output-head": "head",
    "loss": "head",
}
CONVENTION = (
    "output-head", "loss", "labels", "batch", "bias", "input-scale", "initialisation",
    "learning-rate", "activation", "depth", "normalisation",
)  # fmt: skip

Step = Callable[[Record, Sequence[Symptom]], str | None]


def name(record: Record, symptoms: Sequence[Symptom]) -> tuple[str, tuple[str, ...]]:
    """The mechanism and the further ones with support; ("healthy", ()) without a finding.

    With findings but nothing to name, the first word is "healthy" too: none.
    """
    if not any(not s.note for s in symptoms) or handed_broken(symptoms):
        return NONE, ()
    listed = list(dict.fromkeys(_listed(record, symptoms)))
    word = settled(record, listed[0] if listed else NONE)
    others = dict.fromkeys((*listed, *_backed(record, word)))
    return word, tuple(w for w in others if w not in (word, NONE))


def handed_broken(symptoms: Sequence[Symptom]) -> bool:
    """Whether the weights were not finite before anything happened: no way of failing explains."""
    return any(e.stat == "weight_std" for s in symptoms if s.id == "UT108" for e in s.evidence)


def settled(record: Record, word: str) -> str:
    """The final word: the listed one, unless its own factor fails and another one clears."""
    single = [e for e in record.experiments if " + " not in e.factor and speaks(e)]
    clear = [e for e in single if e.outcome == "clears"]
    if word == NONE:
        return next(iter(_words(record, word, _first_deviating(clear))), NONE)
    own = [e for e in single if e.factor in OWN[word] and e.outcome != "not tested"]
    if not own or any(_fits(record, e, word) for e in own if e.outcome == "clears"):
        return word
    rivals = [e for e in clear if e.deviates]
    return next(iter(_words(record, word, _first_deviating(rivals))), word)


def speaks(e: Experiment) -> bool:
    """Whether an experiment is evidence of its factor: Adam and clipping are none of the rate."""
    return e.factor != "learning-rate" or all(x.field == "lr" for x in e.edits)


def raises(record: Record, e: Experiment) -> bool:
    """Whether a learning-rate experiment raised the rate (by its edit, else by its variant)."""
    base = base_rate(record)
    to = next((x.value for x in e.edits if x.field == "lr"), None)
    if base is not None and isinstance(to, int | float):
        return to > base
    return _multiple(e.variant) > 1


def _multiple(variant: str) -> float:
    """The number in "× 0.1"; 1 where there is none."""
    for word in variant.replace("×", " ").replace("x", " ").split():
        try:
            return float(word)
        except ValueError:
            continue
    return 1.0


def _listed(record: Record, symptoms: Sequence[Symptom]) -> Iterator[str]:
    for step in STEPS:
        word = step(record, symptoms)
        if word is not None:
            yield word


def _static(record: Record, symptoms: Sequence[Symptom]) -> str | None:
    return next((STATIC[s.id] for s in symptoms if s.id in STATIC and not s.note), None)


def _one_batch(record: Record, symptoms: Sequence[Symptom]) -> str | None:
    """One batch that breaks a run which was sound until then: it is to be looked at."""
    if any(s.id == "UT108" for s in symptoms) and from_input(record):
        return "data"
    found = outlier(record) if record.kind == "run" else None
    return "data" if found is not None and all(s.since >= found[0] for s in symptoms) else None


def _born_non_finite(record: Record, symptoms: Sequence[Symptom]) -> str | None:
    """Non-finite at step 0, before any update: the input's scale, else the signal's."""
    start = [s for s in symptoms if s.id == "UT108" and s.since == 0]
    if not start or (record.first_loss is not None and math.isfinite(record.first_loss)):
        return None
    return "input-scale" if raw_input(record) else "exploding"


def _input(record: Record, symptoms: Sequence[Symptom]) -> str | None:
    """Raw features that harm from the start, or explain alone what is seen.

    They do harm where the first pass explodes or saturates. Where it does neither, a signal lost
    on the way or a rate that runs off is a fault of its own, and standardising would leave it.
    """
    start = first(record)
    if _unlike(record) or not raw_input(record) or start is None:
        return _also_input(record, symptoms)
    harms = _exploding(record, start) or _saturated(record, start)
    own = _vanishing(record, start) or too_high(record, symptoms)
    return "input-scale" if harms or not own else None


def _also_input(record: Record, symptoms: Sequence[Symptom]) -> str | None:
    return "input-scale" if _unlike(record) or raw_input(record) else None


def _unlike(record: Record) -> bool:
    """Whether the features are not scaled as the pretrained weights expect them."""
    return any(s.id == "UT204" and not s.note for s in record.static)


def _born(judge: Callable[[Record, Snapshot], str | None]) -> Step:
    """A step of the list that reads the layers at the start, before any update."""

    def step(record: Record, symptoms: Sequence[Symptom]) -> str | None:
        start = first(record)
        return None if start is None else judge(record, start)

    return step


def _became(record: Record, symptoms: Sequence[Symptom]) -> str | None:
    """What the last rows of a run show that the first did not; after a hard step: the rate's."""
    last = record.snapshots[-1] if record.snapshots else None
    if record.kind == "check" or last is None:
        return None
    words = (judge(record, last) for judge in JUDGES)
    word = next((w for w in words if w is not None), None)
    return "lr-high" if word is not None and _hard_step(record) else word


def _dead(record: Record, snap: Snapshot) -> str | None:
    words = {y.path: y.act for y in record.layers}
    gone = [p for p, v in record.profile("dead", snap).items() if v > DEAD]
    known = [words[p] for p in gone if words[p] in FACTS]
    if any(rectifies(word) for word in known):
        return "dead"
    return "vanishing" if known else None


def _any_rectifier(record: Record) -> bool:
    return any(rectifies(y.act) for y in record.layers)


def _saturated(record: Record, snap: Snapshot) -> str | None:
    flat = [v for v in record.profile("saturated", snap).values() if math.isfinite(v)]
    return "saturated" if flat and sum(flat) / len(flat) > SATURATED else None


def _exploding(record: Record, snap: Snapshot) -> str | None:
    odds, grown = guess(record), growth(record, snap)
    lost = decay(record.profile("grad_l2", snap))
    huge = odds is not None and (record.first_loss or 0.0) > FIRST_LOSS * odds
    out = grown is not None and grown > GROWN
    back = lost is not None and lost.total < -GROWN
    return "exploding" if huge or out or back else None


def _vanishing(record: Record, snap: Snapshot) -> str | None:
    lost, flat = decay(record.profile("grad_l2", snap)), across(record, snap)
    weak = lost is not None and lost.total > LOST
    merged = spread(record, snap) ** 2 < MERGED
    return "vanishing" if weak or merged or (flat is not None and flat < FLAT) else None


def too_high(record: Record, symptoms: Sequence[Symptom]) -> str | None:
    """The user's own step raises the loss and a smaller one is better; or the loss ran away."""
    if record.kind == "check" and not record.optimizer.name:
        return None
    broken = any(s.id == "UT108" and s.since > 0 for s in symptoms)
    return "lr-high" if broken or _rises(record) or _runs_away(record) else None


def _rises(record: Record) -> bool:
    best, own, start = line_best(record), line_at(record, 1.0), record.first_loss
    if start is None or own is None or (best is not None and best >= 1):
        return False
    return not own <= RISES * start


def _runs_away(record: Record) -> bool:
    start = record.first_loss
    losses = record.one_batch if record.kind == "check" else _late_losses(record)
    return start is not None and bool(losses) and not losses[-1] <= DIVERGED * start


def too_low(record: Record, symptoms: Sequence[Symptom]) -> str | None:
    """The line probe is best at 100 times the rate or more, and no layer moves."""
    start, best = first(record), line_best(record)
    if not record.optimizer.name or start is None:
        return None
    moves = largest_update(record, start)
    slow = moves is not None and moves < SLOW
    far = best is None if record.kind == "run" and not record.line else (best or 0.0) >= FAR
    return "lr-low" if slow and far else None


def _all_else_sound(record: Record, symptoms: Sequence[Symptom]) -> str | None:
    """The rate, where nothing else is off: hard steps are too high, small ones too low.

    Raw features that reach the net, through a layer norm too, are off. Before training a small
    step is too low only where the line probe wants at least ten times as much.
    """
    facts, best = record.input, line_best(record)
    if (facts.rms or 0.0) > RAW_RMS or (facts.abs_max or 0.0) > RAW_MAX:
        return "input-scale"
    moves = [m for s in record.snapshots if (m := largest_update(record, s)) is not None]
    if not record.optimizer.name or not moves:
        return None
    if max(moves) > HARD:
        return "lr-high"
    wants = record.kind == "run" or (best or 0.0) >= WANTS
    return "lr-low" if max(moves) < SLOWER and wants else None


def _still(record: Record, symptoms: Sequence[Symptom]) -> str | None:
    """Too low for an adaptive optimiser, whatever else is off.

    Adam and its kin scale each weight's step to the rate: a layer that moves by about the rate
    over its weights' size, and by no more than that, shows the rate alone. Where it moves less
    its gradient has sunk below epsilon (Kingma and Ba 2015, section 2.1).
    """
    start, lr = first(record), record.optimizer.lr
    if start is None or not lr or not record.optimizer.adaptive:
        return None
    moves = record.profile("update_ratio", start, ("hidden", "head"))
    sizes = ((v, y.weight_std) for p, v in moves.items() if (y := record.layer(p)) is not None)
    full = any(size is not None and v * size > SCALED * lr for v, size in sizes)
    return too_low(record, symptoms) if full else None


def _faded(record: Record, symptoms: Sequence[Symptom]) -> str | None:
    """Vanishing from birth on; what overflows later was not starved of its signal."""
    broken = any(s.id == "UT108" and s.since > 0 for s in symptoms)
    start = first(record)
    return None if broken or start is None else _vanishing(record, start)


JUDGES = (_dead, _saturated, _exploding, _vanishing)
STEPS: tuple[Step, ...] = (
    _static,
    _one_batch,
    _born_non_finite,
    _still,
    _born(_dead),
    _input,
    _born(_saturated),
    _born(_exploding),
    _faded,
    too_high,
    too_low,
    _became,
    _also_input,
    _all_else_sound,
)


def _late_losses(record: Record) -> tuple[float, ...]:
    return tuple(m.loss for m in record.metrics[1:] if m.loss is not None)


def _hard_step(record: Record) -> bool:
    moves = (largest_update(record, s) for s in record.snapshots[:-1])
    return any(m is not None and m > HARD for m in moves)


def _fits(record: Record, e: Experiment, word: str) -> bool:
    """Whether a clearing experiment of the mechanism's factor points the mechanism's way."""
    if e.factor == "learning-rate":
        return raises(record, e) == (word == "lr-low")
    return True


def _first_deviating(experiments: Sequence[Experiment]) -> list[Experiment]:
    def rank(e: Experiment) -> tuple[bool, int, float]:
        known = e.factor in CONVENTION
        return not e.deviates, CONVENTION.index(e.factor) if known else len(CONVENTION), -e.score

    return sorted(experiments, key=rank)


def _words(record: Record, word: str, experiments: Sequence[Experiment]) -> list[str]:
    """The mechanisms the factors of some experiments stand for, in their order."""
    return [w for e in experiments if (w := _stands_for(record, e, word)) is not None]


def _stands_for(record: Record, e: Experiment, word: str) -> str | None:
    if e.factor == "learning-rate":
        return "lr-low" if raises(record, e) else "lr-high"
    if e.factor in STRUCTURE:
        return word if word in SHAPES else _shape(record)
    if e.factor == "bias":
        return "dead" if _any_rectifier(record) else "saturated"
    return FIXED.get(e.factor)


def _shape(record: Record) -> str:
    """What the layers show at the start; vanishing where they show nothing."""
    start = first(record)
    words = (judge(record, start) for judge in JUDGES if start is not None)
    return next((w for w in words if w is not None), "vanishing")


def _backed(record: Record, word: str) -> list[str]:
    each = (e for e in record.experiments if e.outcome == "clears" and speaks(e))
    clear = [e for e in each if e.deviates]
    return _words(record, word, _first_deviating(clear))
