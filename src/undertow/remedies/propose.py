"""A remedy with the value it takes here, and whether it is in force already."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median

from undertow.core.activation import FACTS
from undertow.core.derive import RAW_MAX, RAW_RMS, STILL, base_rate, line_best, raw_input
from undertow.core.finding import Experiment, Remedy
from undertow.core.plan import Edit, Plan
from undertow.core.record import Layer, Record

LOWER, RAISE = 0.1, 10.0  # times the rate, where the line probe says nothing
LEAST, MOST = 1e-3, 100.0  # times the rate, that are proposed at most
FLAT = 0.25  # top slope of an activation that no initialisation alone helps
WHOLE = ("act", "optimizer")  # fields whose remedies are in force by themselves
BORN_DEAD = 0.02  # chance of a net with a dead layer: L·2⁻ⁿ (Lu et al. 2019) below this
CLOSE = 1.1  # times: a weight std so near its rule needs no new draw
OFF = 3.0  # times: a weight std so far from its rule is a fault (diagnosis.md, section 6)
SHIFTED = 0.5  # of a bias, where a pre-activation has a standard deviation near 1
SMALL = 0.1  # root mean square below which features are too small
UNEVEN = 100.0  # largest over smallest standard deviation of the features


def propose(remedy: Remedy, record: Record) -> Remedy | None:
    """The remedy with its values set for this net; None where the rate it scales is unknown."""
    if remedy.name in ("lower-lr", "raise-lr"):
        rate = _rate(remedy.name == "raise-lr", record)
        return None if rate is None else replace(remedy, change=(Edit("lr", rate),))
    made = SETS.get(remedy.name)
    return remedy if made is None else made(remedy, record)


def _wider(remedy: Remedy, record: Record) -> Remedy:
    """Twice the width, and as wide as it takes that no layer is born dead in 98 of 100 nets."""
    hidden = _hidden(record)
    own = None if record.plan is None else record.plan.get("width")
    width = own if isinstance(own, int) else min((y.units for y in hidden if y.units), default=0)
    if not width:
        return remedy
    alive = math.ceil(math.log2(max(1, len(hidden)) / BORN_DEAD))
    return replace(remedy, change=(Edit("width", max(2 * width, alive)),))


def _head(remedy: Remedy, record: Record) -> Remedy | None:
    """The ending the loss takes: logits, a sigmoid for a loss on shares, an output for each class.

    None where nothing is wrong with the head.
    """
    found = [s for s in record.static if s.name == "head-mismatch"]
    if not found:
        return None
    facts = record.input
    shares = record.loss not in ("cross-entropy", "bce") and (facts.target_rms or 0.0) <= 1
    one_unit = any(e.stat == "units" for e in found[0].evidence)
    ending = "sigmoid" if shares and one_unit else "logits"
    if record.loss == "cross-entropy" and facts.output_classes == 1:
        ending = f"logits:{max(2, facts.classes)}"
    return replace(remedy, change=(Edit("head", ending),))


def _loss(remedy: Remedy, record: Record) -> Remedy | None:
    """Cross-entropy for class numbers; advice without an edit where the loss is detached."""
    found = [s for s in record.static if s.name == "loss-mismatch"]
    if found and not any(s.evidence for s in found):
        by_hand = "by hand: no detach() between the net's outputs and backward()"
        return replace(remedy, change=(), cost=by_hand)
    return remedy


SETS: dict[str, Callable[[Remedy, Record], Remedy | None]] = {
    "wider": _wider,
    "fix-head": _head,
    "fix-loss": _loss,
}


def raises_rate(edits: Sequence[Edit], record: Record) -> bool:
    """Whether the `lr` among some edits lies above the rate of the record."""
    base = base_rate(record) or 0.0
    return any(e.field == "lr" and isinstance(e.value, float) and e.value > base for e in edits)


def fitting_init(record: Record) -> str:
    """He for half-open activations, Xavier for those centred at 0; "" where none alone helps."""
    words = [y.act for y in record.layers if y.role == "hidden" and y.act in FACTS]
    if not words:
        return "he-init"
    facts = FACTS[max(sorted(set(words)), key=words.count)]
    if facts.top_slope <= FLAT:
        return ""
    return "xavier-init" if facts.zero_centred else "he-init"


def faults(record: Record) -> int:
    """How many of these stand off their rule: the features' scale, the biases, the weights' std."""
    hidden = _hidden(record)
    biased = [abs(y.bias_mean or 0.0) for y in hidden]
    word = fitting_init(record) or "xavier-init"
    drawn = "he-normal" if word == "he-init" else "xavier-uniform"
    ratios = [y.weight_std / w for y in hidden if y.weight_std and (w := _std(drawn, y))]
    off = bool(ratios) and not 1 / OFF < median(ratios) < OFF
    return sum((raw_input(record), bool(biased) and median(biased) > SHIFTED, off))


def in_force(remedy: Remedy, record: Record, plan: Plan | None) -> bool:
    """Whether every edit of the remedy already holds, by the plan or by what was measured.

    An activation is in force whatever the initialisation that goes with it, and Adam whatever its
    rate: the rest has a remedy of its own.
    """
    first = remedy.change[:1]
    edits = first if any(e.field in WHOLE for e in first) else remedy.change
    return bool(edits) and all(_holds(e, record, plan) for e in edits)


def _holds(e: Edit, record: Record, plan: Plan | None) -> bool:
    written = plan is not None and e.field != "standardise" and plan.get(e.field) == e.value
    measured = MEASURED.get(e.field)
    return written or (measured is not None and measured(e, record))


def _normed(e: Edit, record: Record) -> bool:
    return any(y.norm not in STILL for y in _hidden(record))


def _acts(e: Edit, record: Record) -> bool:
    return {y.act for y in _hidden(record) if y.act} == {e.value}


def _drawn(e: Edit, record: Record) -> bool:
    return _drawn_so(str(e.value), _hidden(record))


def _unbiased(e: Edit, record: Record) -> bool:
    return not any(y.bias_mean for y in _hidden(record))


def _standard(e: Edit, record: Record) -> bool:
    return not _raw(record)


def _skips(e: Edit, record: Record) -> bool:
    return record.plan is not None and record.plan.choices.skip not in (None, "none")


def _plain(e: Edit, record: Record) -> bool:
    """Without residual branches there is nothing that could start at 0."""
    return record.plan is not None and not _skips(e, record)


def _headed(e: Edit, record: Record) -> bool:
    return record.plan is not None and bool(record.plan.choices.aux)


def _alive(e: Edit, record: Record) -> bool:
    first = record.snapshots[-1:]
    return not any(v for s in first for v in record.profile("dead", s).values())


def _short(e: Edit, record: Record) -> bool:
    return isinstance(e.value, int) and len(_hidden(record)) <= e.value


def _adaptive(e: Edit, record: Record) -> bool:
    return record.optimizer.adaptive


def _clipped(e: Edit, record: Record) -> bool:
    return record.optimizer.clip_norm is not None


def _same_rate(e: Edit, record: Record) -> bool:
    return record.optimizer.lr == e.value


MEASURED: dict[str, Callable[[Edit, Record], bool]] = {  # field of an edit -> what shows it
    "norm": _normed,
    "act": _acts,
    "init": _drawn,
    "reset_bias": _unbiased,
    "standardise": _standard,
    "skip": _skips,
    "zero_gamma": _plain,
    "aux": _headed,
    "revive_units": _alive,
    "depth": _short,
    "optimizer": _adaptive,
    "clip_norm": _clipped,
    "lr": _same_rate,
}


def _hidden(record: Record) -> list[Layer]:
    return [y for y in record.layers if y.role == "hidden"]


def _drawn_so(word: str, hidden: Sequence[Layer]) -> bool:
    """Whether the measured weights have the standard deviation this initialisation draws."""
    ratios = [
        y.weight_std / wanted
        for y in hidden
        if y.weight_std and (wanted := _std(word, y)) is not None
    ]
    return bool(ratios) and 1 / CLOSE < median(ratios) < CLOSE


def _std(word: str, y: Layer) -> float | None:
    if y.fan_in <= 0 or y.fan_out <= 0:
        return None
    if word.startswith("he-"):
        return math.sqrt(2 / y.fan_in)
    return math.sqrt(2 / (y.fan_in + y.fan_out)) if word.startswith("xavier-") else None


def _raw(record: Record) -> bool:
    facts = record.input
    if facts.rms is None:
        return True
    small, large = facts.rms < SMALL, facts.rms > RAW_RMS or (facts.abs_max or 0.0) > RAW_MAX
    return small or large or (facts.std_ratio or 1.0) > UNEVEN


def _rate(up: bool, record: Record) -> float | None:
    """The rate that cleared on a copy, nearest to the user's; else by the line probe."""
    base = record.optimizer.lr if record.optimizer.name else None
    if base is None or base <= 0:
        return None
    tested = [r for e in record.experiments if (r := _cleared_rate(e)) is not None]
    sided = [r for r in tested if (r > base) == up and r != base]
    if sided:
        return min(sided, key=lambda r: abs(math.log(r / base)))
    best = line_best(record)
    if up:
        factor = min(best, MOST) if best is not None and best > 1 else RAISE
    else:
        factor = max(best, LEAST) if best is not None and best < 1 else LOWER
    return float(f"{base * factor:.6g}")


def _cleared_rate(e: Experiment) -> float | None:
    if e.outcome != "clears" or len(e.edits) != 1 or e.edits[0].field != "lr":
        return None
    value = e.edits[0].value
    return float(value) if isinstance(value, int | float) else None
