"""Paired effects with their interval, and the word a paired trial has earned."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from undertow.core.plan import Edit
from undertow.core.verdict import LATE, Effect, Trial, Verdict

CAP = 1.25  # of a paired loss over the constant answer's: how far a failure fails says nothing
OUT = 2.0  # held-back loss over the constant answer's that counts as this, or not finite
TRAINS = 0.9  # training loss over the constant answer's below which a net trains
HALF_WAY = 0.5  # share of the way from the constant answer to the best arm that a repair must go
HELD_BACK = 0.95  # held-back loss over the constant answer's below which a repair generalises
SEEDS = 3  # fewer show nothing
CHANCE = 0.99  # held-back loss over the constant answer's from which nothing has been learned
# Student's t, two-sided 95 %, by degrees of freedom (Fisher & Yates 1963, table III)
T95 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
)  # fmt: skip
NORMAL = 1.96
# The same at 97.5 %: of two looks at most one in twenty misleads (Bonferroni)
T975 = (
    25.452, 6.205, 4.177, 3.495, 3.163, 2.969, 2.841, 2.752, 2.685, 2.634,
    2.593, 2.56, 2.533, 2.51, 2.49, 2.473, 2.458, 2.445, 2.433, 2.423,
)  # fmt: skip
NORMAL975 = 2.241


@dataclass(frozen=True, slots=True)
class Arms:
    """The trials of one paired experiment, by arm, each in the order of the seeds.

    `looks` is 2 where seeds were added after a first look at the others: intervals are then wider.
    """

    control: tuple[Trial, ...]
    treated: tuple[Trial, ...]
    decoy: tuple[Trial, ...] = ()
    looks: int = 1


def interval(values: Sequence[float], looks: int = 1) -> tuple[float, float]:
    """95 % t interval of the mean (97.5 % at a second look); infinite with fewer than two."""
    n = len(values)
    if n < 2:
        return -math.inf, math.inf
    table, normal = (T95, NORMAL) if looks == 1 else (T975, NORMAL975)
    t = table[n - 2] if n - 2 < len(table) else normal
    half = t * stdev(values) / math.sqrt(n)
    return fmean(values) - half, fmean(values) + half


def effect(arm: Sequence[Trial], base: Sequence[Trial], looks: int = 1) -> Effect | None:
    """Mean paired difference arm − base of the judged loss; negative is better. None: no pairs.

    A trial that could not run at all says nothing: its seed is left out. One whose net or loss
    raised has failed to train.
    """
    arm, base = ([t for t in side if not _lost(t)] for side in (arm, base))
    held = all(t.held_back is not None for t in (*arm, *base))
    by_seed = {t.seed: judged(t, held) for t in base}
    gaps = [judged(t, held) - by_seed[t.seed] for t in arm if t.seed in by_seed]
    if not gaps:
        return None
    low, high = interval(gaps, looks)
    mean = fmean(gaps)
    agree = sum(1 for g in gaps if g * mean > 0)
    metric = "held-back" if held else "training"
    return Effect(mean, low, high, len(gaps), agree, f"{metric} loss / constant loss")


def _lost(trial: Trial) -> bool:
    return bool(trial.fault) and trial.train is None


def judged(trial: Trial, held: bool) -> float:
    """The trial's held-back (else training) loss over the constant answer's, capped at 1.25."""
    value = trial.held_back if held else trial.train
    return CAP if value is None or not math.isfinite(value) else min(CAP, value)


def verdict(arms: Arms, remedy: str, edits: tuple[Edit, ...]) -> Verdict:
    """The word of a paired trial and the sentence that says why.

    Args:
        arms: control, treated and decoy trials over the same seeds and batches.
        remedy: what the treated arm was given.
        edits: its change.
    """
    shown = effect(arms.treated, arms.control, arms.looks)
    against = effect(arms.treated, arms.decoy, arms.looks) if arms.decoy else None
    word, why = _word(arms, shown, against)
    return Verdict(
        word=word,
        effect=shown,
        interval=None if shown is None else (shown.low, shown.high),
        seeds=tuple(t.seed for t in arms.treated),
        trials=(*arms.control, *arms.treated, *arms.decoy),
        side_effects=_side_effects(arms),
        why=why,
        remedy=remedy,
        edits=edits,
        decoy=against,
    )


def _word(arms: Arms, shown: Effect | None, against: Effect | None) -> tuple[str, str]:
    """The first line of the table of words that applies."""
    cut = any(t.fault == LATE for t in (*arms.control, *arms.treated, *arms.decoy))
    if shown is None or cut or shown.seeds < SEEDS:
        return "not-shown", _few(arms, shown, cut)
    against_high = None if against is None else against.high
    refused = (
        (_new_non_finite(arms), "worse", "the change brings losses that are not finite"),
        (shown.low > 0, "worse", "the interval of the effect lies on the wrong side of 0"),
        (shown.high >= 0, "not-shown", "the interval of the effect includes 0"),
        (
            against_high is not None and against_high >= 0,
            "not-shown",
            "a change that should not help did as well",
        ),
        (
            _guesses(arms.treated),
            "not-shown",
            "on held-back data it is no better than the best constant answer",
        ),
    )
    for applies, word, why in refused:
        if applies:
            return word, why
    return _earned(arms, against)


def promising(arms: Arms) -> bool:
    """Whether more seeds may show what these do not: treated trains in all, the others not.

    A control or a decoy that trains in some seeds and not in others makes the effect against it
    vary more than three seeds can bear.
    """
    shown = effect(arms.treated, arms.control, arms.looks)
    if shown is None or shown.seeds < SEEDS:
        return False
    best = min(judged(t, False) for t in (*arms.control, *arms.treated, *arms.decoy))

    def alive(arm: Sequence[Trial]) -> int:
        return sum(trains(t) and _half_way(t, best) for t in arm)

    against = effect(arms.treated, arms.decoy, arms.looks) if arms.decoy else None
    rivals = [(e, a) for e, a in ((shown, arms.control), (against, arms.decoy)) if e is not None]
    unclear = any(e.high >= 0 for e, _ in rivals)
    better = all(e.value < 0 and 2 * alive(a) < len(a) for e, a in rivals)
    return unclear and better and alive(arms.treated) == len(arms.treated)


def _few(arms: Arms, shown: Effect | None, cut: bool) -> str:
    """Why there are too few pairs: the budget, the seeds asked for, or what made trials fail."""
    seeds = 0 if shown is None else shown.seeds
    if cut:
        return f"the budget ended it after {seeds} whole pairs; give more seconds or fewer steps"
    faults = sorted({t.fault for t in (*arms.control, *arms.treated, *arms.decoy) if t.fault})
    told = f": {'; '.join(faults)}" if faults else ""
    return f"only {seeds} of at least {SEEDS} paired seeds ran{told}"


def _earned(arms: Arms, against: Effect | None) -> tuple[str, str]:
    """`repaired` where every condition holds, else `improved` and the first that does not."""
    failed = _unmet(arms) or ("no decoy was run" if against is None else "")
    if failed:
        return "improved", failed
    n = len(arms.treated)
    best = min(judged(t, False) for t in (*arms.control, *arms.treated, *arms.decoy))
    alive = sum(trains(t) and _half_way(t, best) for t in arms.control)
    looks = "" if arms.looks == 1 else "; seeds were added after a first look, intervals widened"
    return "repaired", f"trains in {n} of {n} seeds, the control in {alive}{looks}"


def _unmet(arms: Arms) -> str:
    """The first condition of `repaired` that does not hold; empty when all do."""
    n, trained = len(arms.treated), _training(arms.treated)
    best = min(judged(t, False) for t in (*arms.control, *arms.treated, *arms.decoy))
    far = sum(1 for t in arms.treated if not _half_way(t, best))
    held = [t.held_back for t in arms.treated]
    refused = (
        (trained < n, f"it trains in {trained} of {n} seeds only"),
        (far > 0, f"in {far} of {n} seeds it goes not half as far as the best arm"),
        (any(t.symptoms for t in arms.treated), "a symptom stays in some seed"),
        (None in held, "training loss only: no held-back data"),
        (
            not all(t.by_constant for t in arms.treated),
            "the best constant answer's loss cannot be known for this loss",
        ),
        (
            not _generalises([min(OUT, h) for h in held if h is not None], arms.looks),
            "the held-back loss is not shown to beat the best constant answer",
        ),
        (
            2 * sum(trains(t) and _half_way(t, best) for t in arms.control) >= len(arms.control),
            "the unrepaired control mostly trains too",
        ),
    )
    return next((why for applies, why in refused if applies), "")


def _half_way(trial: Trial, best: float) -> bool:
    """Whether a trial goes half the way from the constant answer to the best arm's loss."""
    return 1 - judged(trial, False) >= HALF_WAY * (1 - best)


def _generalises(held: Sequence[float], looks: int) -> bool:
    return bool(held) and fmean(held) < HELD_BACK and interval(held, looks)[1] < 1


def _guesses(arm: Sequence[Trial]) -> bool:
    held = [min(OUT, t.held_back) for t in arm if t.held_back is not None and t.by_constant]
    return bool(held) and fmean(held) >= CHANCE


def trains(trial: Trial) -> bool:
    """Whether a trial's training loss leaves that of the best constant answer behind."""
    return judged(trial, False) < TRAINS


def _training(arm: Sequence[Trial]) -> int:
    return sum(1 for t in arm if trains(t))


def _new_non_finite(arms: Arms) -> bool:
    def broken(arm: Sequence[Trial]) -> bool:
        return any(t.first_bad_step is not None for t in arm)

    return broken(arms.treated) and not broken(arms.control)


def _side_effects(arms: Arms) -> tuple[str, ...]:
    """What else changed: parameters, seconds a step, symptoms that were not there."""
    control, treated = (
        next((t for t in arm if not t.fault), None) for arm in (arms.control, arms.treated)
    )
    if control is None or treated is None:
        return ()
    out = []
    if control.parameters != treated.parameters:
        share = treated.parameters / max(1, control.parameters) - 1
        out.append(f"parameters {control.parameters:,} → {treated.parameters:,} ({share:+.1%})")
    paces = [
        sum(t.seconds for t in arm) / max(1, sum(t.steps for t in arm))
        for arm in (arms.control, arms.treated)
    ]
    if min(paces) > 0:
        out.append(f"time a step × {paces[1] / paces[0]:.2f}")
    old = {s for t in arms.control for s in t.symptoms}
    new = sorted({s for t in arms.treated for s in t.symptoms} - old)
    if new:
        out.append(f"new: {', '.join(new)}")
    return tuple(out)
