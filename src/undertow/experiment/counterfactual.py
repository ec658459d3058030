"""One factor changed on a copy, measured again on the same batch: what settles a cause."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from undertow.core.decay import decay
from undertow.core.errors import UndertowError
from undertow.core.finding import Diagnosis, Experiment, Reading
from undertow.core.learned import one_batch_progress
from undertow.core.record import Layer, Record, Snapshot
from undertow.experiment.variants import Variant, pairs, singles
from undertow.instrument.probe import Probe
from undertow.nn.copying import redrawn
from undertow.preflight import tiers
from undertow.preflight.case import Case, Deadline

CAP = 3.0  # decades: a statistic that moved this far towards healthy scores 1
HEALTHY = 0.5  # score from which a factor "helps"
PRICE = 0.05  # taken off the score for each edit
FUTILE = 0.6  # share of the probe steps after which a run still at chance stops
SEEDS = 2  # starts in which a factor must clear
GENERIC = ("normalisation", "adam")  # change that clears most nets whatever their cause
MEASURES = {"vanishing": "decay", "exploding": "decay", "dead": "dead", "saturated": "saturated"}
ORDER = ("bias", "input-scale", "initialisation", "learning-rate", "activation", "normalisation")

Report = Callable[[str], None]


def run(
    case: Case,
    record: Record,
    suspected: Diagnosis,
    *,
    deadline: Deadline,
    progress: Report | None = None,
) -> tuple[Experiment, ...]:
    """Every single change tested on a copy; pairs where none that names a cause clears.

    Args:
        case: what was checked; call inside `guarded(seed)`.
        record: its pre-flight record.
        suspected: the diagnosis so far, which orders the factors and marks the deviating ones.
        deadline: what it cuts is listed as "not tested".
        progress: is told each variant before it runs.
    """
    bench = _Bench(case, record, suspected, deadline, progress)
    done = bench.all(_ordered(singles(record), suspected))
    if any(e.outcome == "clears" and _specific(e) for e in done):
        return done
    alone = {e.factor for e in done if e.outcome == "clears"}
    open_ = [v for v in pairs(record) if not alone & set(v.factor.split(" + "))]
    return (*done, *bench.all(open_))


def _specific(found: Experiment) -> bool:
    """Whether a factor that clears says anything of the cause: a norm and Adam clear nearly all."""
    return found.factor not in GENERIC and found.variant not in GENERIC


def _ordered(variants: Iterable[Variant], suspected: Diagnosis) -> list[Variant]:
    """Suspected factors first, then in the order of the convention."""
    named = [c.name for c in suspected.causes]

    def place(v: Variant) -> tuple[int, int]:
        first = named.index(v.factor) if v.factor in named else len(named)
        return first, ORDER.index(v.factor) if v.factor in ORDER else len(ORDER)

    return sorted(variants, key=place)


class _Bench:
    """The same batch, the same statistic, one changed copy after another."""

    def __init__(
        self,
        case: Case,
        record: Record,
        suspected: Diagnosis,
        deadline: Deadline,
        progress: Report | None,
    ) -> None:
        self.case, self.record, self.deadline = case, record, deadline
        self.stat = MEASURES.get(suspected.mechanism, "loss")
        self.deviating = {c.name for c in suspected.causes} - {"depth", "normalisation"}
        self.before = _reading(record, self.stat)
        self.tell = progress or (lambda _: None)

    def all(self, variants: Sequence[Variant]) -> tuple[Experiment, ...]:
        return tuple(self.one(v) for v in variants)

    def one(self, variant: Variant) -> Experiment:
        if self.deadline.over:
            return self._untested(variant, "budget")
        self.tell(f"{variant.factor}: {variant.name}")
        try:
            after = self._measured(variant, self.case)
            agree = self._again(variant, after)
        except UndertowError as error:
            return self._untested(variant, str(error))
        except (RuntimeError, ValueError) as error:  # a changed net the user's batch does not fit
            return self._untested(variant, f"{type(error).__name__}: {error}")
        return self._judged(variant, after, agree)

    def _measured(self, variant: Variant, case: Case) -> Reading:
        """Tier 0 and the probe steps of the changed case."""
        changed = variant.change(case, self.record.layers)
        snap, layers = _start(changed)
        made = changed.optimizer or tiers.base_optimizer(self._rate())
        steps = 0 if variant.quick else max(1, self.record.probe_steps)
        losses = (
            ()
            if variant.quick
            else tiers.one_batch(
                changed,
                changed.fresh(),
                made,
                self.record.const_loss,
                steps=steps,
                deadline=self.deadline,
                futile=math.ceil(FUTILE * steps),
            )
        )
        again = replace(self.record, layers=layers, snapshots=(snap,), one_batch=losses)
        return _reading(again, self.stat)

    def _rate(self) -> float:
        return float(dict(self.record.facts).get("probe_lr", tiers.BASE))

    def _again(self, variant: Variant, first: Reading) -> int:
        """In how many of two starts the batch is learned; a foreign net's second is redrawn."""
        won = int(_learns(first))
        if not won or self.deadline.over:
            return SEEDS * won
        if not variant.edits or variant.edits[0].field in ("lr", "standardise", "clip_norm"):
            return SEEDS
        return won + int(_learns(self._measured(variant, _restarted(self.case))))

    def _judged(self, variant: Variant, after: Reading, agree: int) -> Experiment:
        moved = _moved(self.before, after)
        clears = agree >= SEEDS
        worse = after.progress is not None and not math.isfinite(after.progress)
        outcome = "clears" if clears else "worse" if worse else "no change"
        if outcome == "no change" and moved >= HEALTHY:
            outcome = "helps"
        score = (1.0 if clears else min(moved, 0.5)) - PRICE * variant.price
        why = "in 1 of 2 starts" if agree == 1 else ""
        return Experiment(
            variant.factor,
            variant.name,
            self.before,
            after,
            outcome,
            round(score, 4),
            variant.price,
            variant.factor in self.deviating,
            variant.edits,
            why,
        )

    def _untested(self, variant: Variant, why: str) -> Experiment:
        nothing = Reading(self.stat, None)
        return Experiment(
            variant.factor,
            variant.name,
            self.before,
            nothing,
            "not tested",
            price=variant.price,
            edits=variant.edits,
            why=why,
        )


def _restarted(case: Case) -> Case:
    """The same case from another draw of its own initialisation."""
    seed = case.seed + 1
    if case.plan is None:
        return replace(case, seed=seed, net=redrawn(case.net, seed))
    return replace(case, seed=seed, plan=replace(case.plan, seed=case.plan.seed + 1))


def _start(case: Case) -> tuple[Snapshot, tuple[Layer, ...]]:
    net = case.fresh()
    probe = Probe(net)
    with probe.sampling():
        case.run(net).backward()
    return probe.read(0), probe.layers


def _reading(record: Record, stat: str) -> Reading:
    """The symptom's statistic at the start and the one-batch progress of a record."""
    value: float | None = None
    snap = record.snapshots[-1] if record.snapshots else None
    if snap is not None and stat == "decay":
        found = decay(record.profile("grad_l2", snap))
        value = None if found is None else found.total
    elif snap is not None and stat in ("dead", "saturated"):
        value = max(record.profile(stat, snap).values(), default=None)
    elif stat == "loss":
        value = record.one_batch[-1] if record.one_batch else None
    return Reading(stat, value, one_batch_progress(record))


def _learns(reading: Reading) -> bool:
    return reading.progress is not None and reading.progress < tiers.LEARNED


def _moved(before: Reading, after: Reading) -> float:
    """How far the statistic moved towards healthy: 1 is three decades, or a whole share."""
    if before.value is None or after.value is None or before.stat == "loss":
        return 0.0
    if before.stat == "decay":
        was, now = (min(abs(v), 2 * CAP) for v in (before.value, after.value))
        return max(-1.0, min(1.0, (was - now) / CAP))
    return before.value - after.value
