"""Which of several changes is kept: the cheapest of those as good as the best."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from undertow.core.finding import Remedy
from undertow.core.verdict import Verdict
from undertow.experiment.effect import interval, judged
from undertow.remedies.price import price

ALIKE = 0.05  # of the constant answer's loss: two repaired nets nearer than this are equally good
Shown = tuple[Remedy, Verdict]


def chosen(tried: Sequence[Shown]) -> Shown | None:
    """The one to keep of what was tried, with its verdict; None where nothing was shown.

    Of several that repair: the cheapest whose final loss lies within the 95 % interval of the
    best one's or .05 from it, the first tried of equal ones. Of several that improve: the first.
    """
    repaired = [s for s in tried if s[1].word == "repaired"]
    if len(repaired) > 1:
        return _cheapest(repaired)
    better = [s for s in tried if s[1].word == "improved"]
    return next(iter((*repaired, *better)), None)


def _cheapest(shown: Sequence[Shown]) -> Shown:
    losses = [_losses(said) for _, said in shown]
    best = min(losses, key=fmean)
    most = max(interval(best)[1], fmean(best) + ALIKE)
    near = [s for s, own in zip(shown, losses, strict=True) if own is best or fmean(own) <= most]
    remedy, said = min(near, key=lambda s: price(s[0].change))
    others = [r.name for r, _ in shown if r is not remedy]
    too = f"{' and '.join(others)} {'repair' if len(others) > 1 else 'repairs'} too"
    rank = "as good as the best and the cheapest of those" if len(near) > 1 else "goes furthest"
    return remedy, replace(said, why=f"{said.why}; {rank} ({too})")


def _losses(said: Verdict) -> list[float]:
    """The treated arm's judged losses, a number a seed."""
    arm = [t for t in said.trials if t.arm == said.remedy]
    held = all(t.held_back is not None for t in arm)
    return [judged(t, held) for t in arm]
