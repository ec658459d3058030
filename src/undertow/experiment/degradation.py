"""Whether depth alone keeps a net with norms from training: its shallower twin is trained."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from undertow.core.derive import LONG, normalised
from undertow.core.errors import UndertowError
from undertow.core.plan import Edit
from undertow.core.record import Record
from undertow.core.verdict import Trial
from undertow.experiment.effect import interval, judged, trains
from undertow.experiment.pair import build
from undertow.experiment.repair import CONTROL, Repair
from undertow.experiment.trials import trained

NAME = "degradation"
SHARE = 3  # the twin has a third of the layers: the paper's pair is 20 and 56
LEAST = 2  # layers of a twin
BARELY = 0.5  # training loss over guessing: above it half the way may be left to a better arm


def hampered(record: Record, control: Sequence[Trial]) -> bool:
    """Whether a net that trains may have degraded: long, normed, without skips, and barely better.

    Of a module without a plan it is not known whether there are skips: another one is tried then.
    """
    plan = record.plan
    skips = plan is not None and plan.choices.skip not in (None, "none")
    normed = [y for y in record.layers if y.role == "hidden" and y.norm == "batch"]
    losses = [judged(t, held=False) for t in control]
    return not skips and len(normed) > LONG and bool(losses) and fmean(losses) > BARELY


def degraded(made: Repair) -> Repair:
    """The repair with the mechanism "degradation", where its twins show it; else as it is.

    A plain net with batch norm has degraded where both the residual twin, which was kept, and a
    shallower one reach a lower training loss (He et al. 2016, sec. 4.1). The word is of training:
    nothing measured before it tells the two apart.
    """
    layers = sum(y.role == "hidden" for y in made.record.layers)
    depth = max(LEAST, layers // SHARE)
    skips = made.kept is not None and any(e.field == "skip" for e in made.kept.change)
    if not skips or not normalised(made.record) or depth >= layers:
        return made
    deep = [t for t in made.verdict.trials if t.arm == CONTROL]
    twin = _twin(made, depth)
    if not _better(twin, deep):
        return made
    found = made.diagnosis
    others = tuple(w for w in (found.mechanism, *found.others) if w not in (NAME, "healthy"))
    losses = (fmean(judged(t, held=False) for t in arm) for arm in (twin, deep))
    low, high = (f"{v:.2f}".lstrip("0") for v in losses)
    told = f"a twin of {depth} layers trains too (loss {low} of guessing, {layers} layers: {high})"
    return replace(
        made,
        diagnosis=replace(found, mechanism=NAME, others=others),
        verdict=replace(made.verdict, why=f"{made.verdict.why}; {told}: depth alone is in the way"),
    )


def _twin(made: Repair, depth: int) -> tuple[Trial, ...]:
    """The trials of the net with `depth` layers; () where it cannot be made."""
    source, trials = made.before or made.source, made.trials
    edits = (Edit("depth", depth),)
    try:
        build(source.edit(edits), edits, trials.train, trials.seeds[0])
        (twin,) = trained(trials, source, (f"twin: {depth} layers", edits))
    except (UndertowError, RuntimeError, ValueError):  # a layout that no layer can leave
        return ()
    return twin


def _better(twin: tuple[Trial, ...], deep: list[Trial]) -> bool:
    """Whether the twin trains in every seed and beyond chance to a lower training loss."""
    losses = {t.seed: judged(t, held=False) for t in deep}
    gaps = [judged(t, held=False) - losses[t.seed] for t in twin if t.seed in losses]
    return bool(gaps) and all(map(trains, twin)) and interval(gaps)[1] < 0
