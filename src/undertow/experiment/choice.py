"""Which of several changes is kept: the first that repairs, or what undoes the fault as well."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from undertow.core.finding import Remedy
from undertow.core.verdict import Verdict
from undertow.experiment.effect import interval, judged
from undertow.remedies.price import free

ALIKE = 0.05  # of the constant answer's loss: two repaired nets nearer than this are equally good
Shown = tuple[Remedy, Verdict]


def chosen(tried: Sequence[Shown]) -> Shown | None:
    """The one to keep of what was tried, with its verdict; None where nothing was shown.

    Of several that repair the first in rank, unless one that costs nothing in use (a rate, a draw,
    biases, the ending) is as good as the best: within the 95 % interval of its loss or .05 from
    it. A dearer one is not taken for going further: what a short trial adds a long training need
    not keep (docs/how-to/repair.md). Of several that improve: the first.
    """
    repaired = [s for s in tried if s[1].word == "repaired"]
    if len(repaired) > 1:
        return _free(repaired)
    better = [s for s in tried if s[1].word == "improved"]
    return next(iter((*repaired, *better)), None)


def _free(shown: Sequence[Shown]) -> Shown:
    losses = [_losses(said) for _, said in shown]
    best = min(losses, key=fmean)
    most = max(interval(best)[1], fmean(best) + ALIKE)
    near = [s for s, own in zip(shown, losses, strict=True) if own is best or fmean(own) <= most]
    costless = [s for s in near if free(s[0].change)]
    remedy, said = next(iter(costless or shown))
    others = [r.name for r, _ in shown if r is not remedy]
    too = f"{' and '.join(others)} {'repair' if len(others) > 1 else 'repairs'} too"
    why = ", and as good as the best at no cost" if costless and remedy is not shown[0][0] else ""
    return remedy, replace(said, why=f"{said.why}{why}; {too}")


def _losses(said: Verdict) -> list[float]:
    """The treated arm's judged losses, a number a seed."""
    arm = [t for t in said.trials if t.arm == said.remedy]
    held = all(t.held_back is not None for t in arm)
    return [judged(t, held) for t in arm]
