"""The tables of a report and of a verdict as words, once for the terminal and the page alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from undertow.core.finding import Experiment, Reading
from undertow.core.verdict import Effect, Trial, Verdict
from undertow.report.numbers import MISSING, number, percent, ratio, share, signed

STATS = {  # statistic -> what a reader calls it
    "act_rms": "forward rms",
    "act_mean": "forward mean",
    "act_max": "forward max",
    "spread": "spread over samples",
    "dead": "dead",
    "saturated": "saturated",
    "grad_l2": "|dL/dh|",
    "grad_max": "max |dL/dh|",
    "grad_zero": "zero gradients",
    "wgrad_l2": "|dL/dW|",
    "weight_l2": "|W|",
    "rel_grad": "|dL/dW|/|W|",
    "update_ratio": "update/weight",
    "nonfinite": "non-finite values",
    "decay": "decay",
    "decay_per_layer": "decay a layer",
    "growth": "growth",
    "progress": "loss over guessing",
    "stability": "rate over its limit",
    "loss": "loss",
}
SHARES = frozenset({"dead", "saturated", "grad_zero"})
DECADES = frozenset({"decay", "growth"})
CONTROL, DECOY = "control", "decoy"  # arms of a paired trial; every other arm is the remedy's
SIGN_TEST = 6  # seeds from which a two-sided sign test can reach 5 % (2 / 2^6 = .031)


@dataclass(frozen=True, slots=True)
class Table:
    """Words in rows; `right` says which columns are numbers."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[bool, ...]


def cell(stat: str, value: float | None) -> str:
    """One statistic as a reader expects it: shares in per cent, decades with one decimal."""
    if stat in DECADES and value is not None:
        return f"{value:.1f}"
    return share(value) if stat in SHARES else number(value)


def arrow(before: Reading, after: Reading) -> str:
    """The symptom's statistic before → after one change; "–" where neither was measured."""
    if not before.stat or (before.value is None and after.value is None):
        return MISSING
    return f"{cell(before.stat, before.value)} → {cell(before.stat, after.value)}"


def reading(before: Reading, after: Reading) -> str:
    """The same with the statistic's name and unit."""
    change = arrow(before, after)
    if change == MISSING:
        return MISSING
    unit = " decades" if before.stat in DECADES else ""
    return f"{STATS.get(before.stat, before.stat)} {change}{unit}"


def loss_change(e: Experiment) -> str:
    """The one-batch loss over guessing before → after one change; "–" where not taken."""
    if e.after.progress is None:
        return MISSING
    return f"{ratio(e.before.progress)} → {ratio(e.after.progress)}"


def experiment_table(experiments: Sequence[Experiment]) -> Table:
    """Every counterfactual: what changing exactly one factor on a copy does."""
    stats = {e.before.stat for e in experiments}
    one = next(iter(stats)) if len(stats) == 1 else ""
    name = STATS.get(one, one) + (" (decades)" if one in DECADES else "") if one else "statistic"
    rows = tuple(
        (
            e.factor,
            e.variant,
            arrow(e.before, e.after) if one else reading(e.before, e.after),
            loss_change(e),
            f"{e.outcome} ({e.why})" if e.why else e.outcome,
        )
        for e in experiments
    )
    head = ("factor", "changed to", name, "loss/guessing", "outcome")
    return Table(head, rows, (False, False, True, True, False))


def arms(verdict: Verdict) -> tuple[tuple[str, tuple[Trial, ...]], ...]:
    """The trials by arm: control first, then the remedy, then the decoy."""
    names = dict.fromkeys(t.arm for t in verdict.trials)
    ordered = sorted(names, key=lambda arm: 0 if is_control(arm) else 1 + is_decoy(arm))
    return tuple((arm, tuple(t for t in verdict.trials if t.arm == arm)) for arm in ordered)


def is_control(arm: str) -> bool:
    """Whether an arm is the net as it was."""
    return arm == CONTROL


def is_decoy(arm: str) -> bool:
    """Whether an arm is a change of equal price that is known not to help."""
    return arm.startswith(DECOY)


def effect_words(effect: Effect | None) -> str:
    """`-0.88 [-1.02, -0.74]`; "–" where there is none."""
    if effect is None:
        return MISSING
    return f"{signed(effect.value)} [{signed(effect.low)}, {signed(effect.high)}]"


def result(trials: Sequence[Trial]) -> str:
    """Held-back accuracy, median over the seeds; the held-back or training loss without classes."""
    rates = [t.accuracy for t in trials if t.accuracy is not None]
    if rates:
        return percent(median(rates))
    losses = [t.held_back for t in trials if t.held_back is not None]
    losses = losses or [t.train for t in trials if t.train is not None]
    return ratio(median(losses)) if losses else MISSING


def result_name(verdict: Verdict) -> tuple[str, str]:
    """What `result` shows: as a column's name, and in full."""
    middle = f"median of {len(verdict.seeds)}"
    if any(t.accuracy is not None for t in verdict.trials):
        return f"accuracy, {middle}", "share right on held-back data"
    if any(t.held_back is not None for t in verdict.trials):
        return f"loss, {middle}", "held-back loss over that of guessing"
    return f"loss, {middle}", "training loss over that of guessing"


def proof_table(verdict: Verdict, tried: Sequence[Verdict] = ()) -> Table:
    """Remedy, held-back result, effect [interval], seeds, verdict, side effects: one row an arm."""
    name, _ = result_name(verdict)
    rows: list[tuple[str, ...]] = []
    for arm, trials in arms(verdict):
        if is_control(arm) or is_decoy(arm):
            title = "(none)" if is_control(arm) else arm
            rows.append((title, result(trials), "", str(len(trials)), "", ""))
        else:
            rows.append(_verdict_row(verdict, trials))
    rows += [_verdict_row(other, _treated(other)) for other in tried]
    head = ("remedy", name, "effect [interval]", "seeds", "verdict", "side effects")
    return Table(head, tuple(rows), (False, True, True, True, False, False))


def _treated(verdict: Verdict) -> tuple[Trial, ...]:
    return tuple(t for t in verdict.trials if not (is_control(t.arm) or is_decoy(t.arm)))


def _verdict_row(verdict: Verdict, trials: Sequence[Trial]) -> tuple[str, ...]:
    name = verdict.remedy or next((t.arm for t in trials), "treated")
    side = ", ".join(verdict.side_effects) or "none seen"
    seeds = str(len(trials) or len(verdict.seeds))
    return (name, result(trials), effect_words(verdict.effect), seeds, verdict.word, side)


def reading_of(verdict: Verdict) -> tuple[str, ...]:
    """How to read a verdict: its metric, the seeds, the decoy, what the interval rests on."""
    column, meaning = result_name(verdict)
    words = [f"{column.partition(',')[0].capitalize()}: {meaning}."]
    if verdict.effect is not None:
        e = verdict.effect
        words.append(
            f"Effect: mean paired difference in {e.metric}, remedy minus (none), with its 95 % t "
            f"interval; below 0 is better; {e.agree} of {e.seeds} seeds agree in sign."
        )
    if verdict.decoy is not None:
        words.append(f"Against the decoy: {effect_words(verdict.decoy)}.")
    if 0 < len(verdict.seeds) < SIGN_TEST:
        words.append(
            f"With {len(verdict.seeds)} seeds no sign test can reach 5 %: the interval rests on "
            "the paired differences being normal."
        )
    faults = [f"{t.arm}, seed {t.seed}: {t.fault}" for t in verdict.trials if t.fault]
    return (*words, *([f"Could not run: {'; '.join(faults)}."] if faults else []))
