"""What changes did: every counterfactual on one axis, and the paired trials of a verdict."""

import math
from collections.abc import Sequence
from html import escape
from statistics import median

from undertow.core.finding import Experiment
from undertow.core.learned import ONE_BATCH
from undertow.core.verdict import Effect, Trial, Verdict
from undertow.report.findings import ran
from undertow.report.numbers import number, percent, ratio
from undertow.report.svg.draw import (
    CHAR,
    NARROW,
    RIGHT,
    Figure,
    Scale,
    element,
    figure,
    legend,
    line,
    linear_scale,
    path,
    percents,
    text,
    x_axis,
    y_axis,
)
from undertow.report.svg.profile import short
from undertow.report.tables import (
    Table,
    arms,
    effect_words,
    experiment_table,
    is_control,
    is_decoy,
    result,
)

ROW = 24.0  # height of one experiment
CEILING = 1.3  # loss over guessing drawn at most; beyond stands at the edge
SIGNS = {"clears": "✔", "helps": "◐", "no change": "○", "worse": "✖"}


def factors(experiments: Sequence[Experiment], name: str) -> Figure | None:
    """The one-batch loss after changing exactly one factor; None where none was measured."""
    shown = sorted(
        (e for e in ran(experiments) if e.after.progress is not None),
        key=lambda e: _reached(e),
    )
    if not shown:
        return None
    clears = [e for e in shown if e.outcome == "clears"]
    names = ", ".join(_label(e) for e in clears[:3]) + (" and more" if len(clears) > 3 else "")
    learns = f"{len(clears)} let it learn: {names}" if clears else "none lets it learn"
    sentence = (
        f"{len(shown)} changes, each on a copy of its own, on the same batch: loss over guessing "
        f"after the probe steps; {learns}. ✔ learns, ◐ a sound statistic alone, ○ no change."
    )

    def draw(width: int) -> tuple[int, str]:
        return _factors(shown, width)

    return figure(name, "What one change does", sentence, draw, experiment_table(shown))


def _reached(e: Experiment) -> float:
    """Loss over guessing after the change; what is not finite counts as the worst."""
    after = e.after.progress
    return math.inf if after is None or not math.isfinite(after) else after


def _label(e: Experiment) -> str:
    return f"{e.factor}: {e.variant}" if e.variant else e.factor


def _factors(shown: Sequence[Experiment], width: int) -> tuple[int, str]:
    narrow = width == NARROW
    left, right, top = (8.0 if narrow else 316.0), float(width - RIGHT - 52), 34.0
    row = ROW + 14 if narrow else ROW
    scale = Scale(0.0, CEILING, left, right)
    bottom = top + row * len(shown)
    parts = [x_axis(scale, top - 6, bottom, "loss/guessing after the change")]
    limit = scale.at(ONE_BATCH)
    parts.append(line(limit, top - 6, limit, bottom, "limit"))
    entries = [("limit", f"learns: below {ratio(ONE_BATCH)}")]
    start = shown[0].before.progress
    if start is not None and math.isfinite(start):
        parts.append(line(scale.at(start), top - 6, scale.at(start), bottom, "start"))
        entries.append(("start", f"unchanged: {ratio(start)}"))
    for i, e in enumerate(shown):
        y = top + row * (i + 0.5) + (7 if narrow else 0)
        parts.append(_experiment(e, y, scale, narrow))
    return int(bottom + 40), "".join([*parts, legend(left, 16, entries)])


def _experiment(e: Experiment, y: float, scale: Scale, narrow: bool) -> str:
    after, before = _reached(e), e.before.progress
    x = scale.at(after) if math.isfinite(after) else scale.end
    style = {"clears": "is-good", "worse": "is-bad"}.get(e.outcome, "is-soft")
    told = element("title", escape(f"{_label(e)}: {ratio(after)} of guessing, {e.outcome}"))
    sign = SIGNS.get(e.outcome, "○")
    parts = [
        text(scale.start, y - 12, short(_label(e), 48), "key halo")
        if narrow
        else text(scale.start - 14, y + 4, short(_label(e), 54), "key", "end")
    ]
    if before is not None and math.isfinite(before):
        parts.append(line(scale.at(before), y, x, y, f"reach {style}"))
    parts.append(element("circle", told, cx=x, cy=y, r=5.0, class_=f"spot {style}"))
    parts.append(text(scale.end + 12, y + 4, f"{sign} {ratio(after)}", f"key {style}"))
    return "".join(parts)


def paired(verdict: Verdict, tried: Sequence[Verdict], name: str) -> Figure | None:
    """Each seed through the arms, and the effects with their intervals; None without trials."""
    by_arm = [(arm, trials) for arm, trials in arms(verdict) if any(map(_measure, trials))]
    if not by_arm:
        return None
    effects = _effects(verdict, tried)
    sentence = f"{verdict.remedy or 'The change'}: {verdict.word}. "
    if verdict.effect is not None:
        sentence += (
            f"Paired over {verdict.effect.seeds} seeds, the difference in {verdict.effect.metric} "
            f"is {effect_words(verdict.effect)}; below 0 is better."
        )

    def draw(width: int) -> tuple[int, str]:
        return _paired(by_arm, effects, width)

    return figure(name, "Paired trials", sentence, draw, _trial_table(verdict))


def _measure(trial: Trial) -> float | None:
    """What a trial is drawn by: held-back accuracy, else held-back loss, else training loss."""
    if trial.accuracy is not None:
        return trial.accuracy
    return trial.held_back if trial.held_back is not None else trial.train


def _effects(verdict: Verdict, tried: Sequence[Verdict]) -> list[tuple[str, Effect]]:
    name = verdict.remedy or "treated"
    found = [(f"{name} − none", verdict.effect), (f"{name} − decoy", verdict.decoy)]
    found += [(f"{v.remedy} − none", v.effect) for v in tried]
    return [(words, effect) for words, effect in found if effect is not None]


def _paired(
    by_arm: Sequence[tuple[str, Sequence[Trial]]], effects: Sequence[tuple[str, Effect]], width: int
) -> tuple[int, str]:
    narrow = width == NARROW
    end = float(width - RIGHT) if narrow or not effects else width * 0.46
    parts, height = [_seeds(by_arm, end, 50.0)], 230.0
    if effects and narrow:
        parts.append(_forest(effects, (20.0, float(width - RIGHT)), 292.0))
        height = 292.0 + 40 * len(effects) + 46
    elif effects:
        parts.append(_forest(effects, (end + 50, float(width - RIGHT)), 50.0))
        height = max(height, 50 + 40 * len(effects) + 46)
    return int(height), "".join(parts)


def _seeds(by_arm: Sequence[tuple[str, Sequence[Trial]]], end: float, left: float) -> str:
    """One line a seed from arm to arm, the median of each arm in words."""
    trials = [t for _, group in by_arm for t in group]
    share = all(t.accuracy is not None for t in trials)
    top, bottom = 34.0, 190.0
    values = [_measure(t) for t in trials]
    scale = Scale(0.0, 1.0, bottom, top) if share else linear_scale(values, bottom, top)
    heading = "held-back accuracy" if share else "loss/guessing"
    axis = percents(scale, left, end) if share else y_axis(scale, left, end)
    parts = [text(left, 16, f"{heading}, one line a seed", "strip"), axis]
    slot = (end - left) / len(by_arm)
    middle = {arm: left + slot * (i + 0.5) for i, (arm, _) in enumerate(by_arm)}
    seeds = list(dict.fromkeys(t.seed for t in trials))
    for i, seed in enumerate(seeds):
        aside = (i - (len(seeds) - 1) / 2) * min(9.0, slot / (2 * len(seeds)))
        own = [(t, _measure(t), middle[t.arm] + aside) for t in trials if t.seed == seed]
        points = [(x, scale.at(v)) for _, v, x in own if v is not None and math.isfinite(v)]
        parts.append(path(points, "pair"))
        parts += [_spot(t, v, x, scale) for t, v, x in own if v is not None]
    parts += [_arm(arm, group, middle[arm], scale, slot) for arm, group in by_arm]
    return "".join(parts)


def _arm(arm: str, trials: Sequence[Trial], x: float, scale: Scale, slot: float) -> str:
    """The arm's name in up to two lines, and its median beside its points."""
    words = "(none)" if is_control(arm) else arm
    first, _, rest = words.partition(" ")
    room = int(slot / CHAR)
    parts = [text(x, scale.start + 20, short(first, room), "key", "middle")]
    parts += [text(x, scale.start + 35, short(rest, room), "tick", "middle")] if rest else []
    finite = [v for v in map(_measure, trials) if v is not None and math.isfinite(v)]
    if finite:
        y = scale.at(median(finite))
        above = y - 14 if y > scale.end + 30 else y + 24
        parts.append(text(x, above, result(trials), "key halo", "middle"))
    return "".join(parts)


def _spot(trial: Trial, value: float, x: float, scale: Scale) -> str:
    told = element("title", escape(f"{trial.arm}, seed {trial.seed}: {number(value)}"))
    if not math.isfinite(value):
        return element(
            "text", f"{told}∅", x=x, y=scale.end + 10, class_="sign", text_anchor="middle"
        )
    style = "is-soft" if is_control(trial.arm) or is_decoy(trial.arm) else "is-good"
    return element("circle", told, cx=x, cy=scale.at(value), r=4.5, class_=f"spot {style}")


def _forest(effects: Sequence[tuple[str, Effect]], ends: tuple[float, float], top: float) -> str:
    """Each effect as a dot on its interval, with the line of no effect."""
    bounds = [v for _, e in effects for v in (e.low, e.high, 0.0) if math.isfinite(v)]
    spare = 0.08 * (max(bounds) - min(bounds) or 1.0)
    scale = Scale(min(bounds) - spare, max(bounds) + spare, *ends)
    bottom = top + 40.0 * len(effects)
    heading = f"effect on {effects[0][1].metric}"
    parts = [text(ends[0], top - 34, heading, "strip"), x_axis(scale, top - 14, bottom)]
    parts.append(line(scale.at(0.0), top - 14, scale.at(0.0), bottom, "limit"))
    for i, (words, e) in enumerate(effects):
        y = top + 40 * i + 18
        style = "is-good" if e.high < 0 else "is-bad" if e.low > 0 else "is-soft"
        told = element("title", escape(f"{words}: {effect_words(e)}"))
        parts.append(text(ends[0], y - 13, f"{words}  {effect_words(e)}", "key halo"))
        parts.append(line(scale.at(e.low), y, scale.at(e.high), y, f"reach {style}"))
        parts.append(
            element("circle", told, cx=scale.at(e.value), cy=y, r=5.0, class_=f"spot {style}")
        )
    parts.append(text(ends[0], bottom + 31, "← better", "tick"))
    return "".join(parts)


def _trial_table(verdict: Verdict) -> Table:
    head = (
        "arm",
        "seed",
        "steps",
        "training loss/guessing",
        "held-back loss/guessing",
        "accuracy",
        "first bad step",
        "seconds",
    )
    rows = tuple(
        (
            t.arm,
            str(t.seed),
            str(t.steps),
            ratio(t.train),
            ratio(t.held_back),
            percent(t.accuracy),
            "–" if t.first_bad_step is None else str(t.first_bad_step),
            f"{t.seconds:.1f}",
        )
        for _, trials in arms(verdict)
        for t in trials
    )
    return Table(head, rows, (False, *(True,) * 7))
