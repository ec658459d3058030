"""The loop of repair: edit, pre-flight, paired training, roll back, next; then the proof."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from torch import nn
from torch.optim import Optimizer

from undertow.core.errors import UndertowError
from undertow.core.finding import Diagnosis, Remedy
from undertow.core.plan import Edit, Plan
from undertow.core.record import Record
from undertow.core.verdict import LATE, Trial, Verdict
from undertow.diagnosis.engine import diagnose
from undertow.experiment.choice import chosen
from undertow.experiment.effect import Arms, promising, trains, verdict
from undertow.experiment.pair import Source, build, train
from undertow.experiment.recipe import recipe
from undertow.experiment.trials import Trials, ready_case, task, too_short, trained
from undertow.nn.threads import single_threaded
from undertow.preflight import guarded, measure
from undertow.remedies.rank import PAIR, decoy, further

MOST = 5  # single remedies trained that the pre-flight lets pass
PAIRS = 3  # pairs of them after that
PROBE_STEPS = 50
CONTROL = "control"
DECOY = "decoy"
FURTHER = {"lower-lr": 0.1, "raise-lr": 10.0}  # factor by which a rate that failed is moved on
TIMES = 2  # such moves
STAGE = 5  # seeds added, once, where the first ones are promising and too few
STILL = "pre-flight still finds"
RIVALS = 2  # further remedies trained beside the first that repairs


@dataclass(frozen=True, eq=False)
class Repair:
    """What a repair found. `model` and `optimizer` are live; all else is frozen data.

    `verdict` is of the remedy kept, or of the best one tried where none was shown; `tried` has
    every verdict in the order of trying, `skipped` the remedies the pre-flight ruled out.
    """

    diagnosis: Diagnosis
    record: Record
    remedies: tuple[Remedy, ...]
    verdict: Verdict
    tried: tuple[Verdict, ...]
    skipped: tuple[str, ...]
    source: Source
    trials: Trials
    kept: Remedy | None = None
    before: Source | None = field(default=None)

    @property
    def plan(self) -> Plan | None:
        """The plan to train with: repaired, or unchanged where nothing was shown."""
        return self.source.plan

    def diff(self) -> str:
        """What to change in one's own code, as text; empty where nothing was shown."""
        return "" if self.kept is None else recipe(self.kept.change, self.before or self.source)

    @cached_property
    def _live(self) -> tuple[nn.Module, Optimizer]:
        edits = () if self.kept is None else self.kept.change
        made = train(task(self.trials, self.source, "model", edits, self.trials.seeds[0]))
        return made.net, made.optimizer

    @property
    def model(self) -> nn.Module:
        """The repaired net (not shown: the control), trained on the first seed when asked for."""
        return self._live[0]

    @property
    def optimizer(self) -> Optimizer:
        """The optimiser of `model`."""
        return self._live[1]


def repair(
    source: Source,
    record: Record,
    found: Diagnosis,
    remedies: Sequence[Remedy],
    trials: Trials,
    control: tuple[Trial, ...] = (),
    *,
    only: bool = False,
) -> Repair:
    """Try ranked remedies by pre-flight, then by paired training; keep the first that is shown.

    At most five singles that the pre-flight lets pass are trained, then at most three such pairs;
    of those it does not let pass as many as are left of eight in all.

    Args:
        source: what trains now; it is never changed.
        record: what was measured and led here.
        found: its diagnosis.
        remedies: in the order of trying.
        trials: data, seeds and limits, all fixed before the first look.
        control: trials of the source itself where they have been run.
        only: nothing but `remedies` is tried.
    """
    short = too_short(source, trials)
    if short:
        said = Verdict("not-shown", None, None, trials.seeds, control, why=short)
        return ended(source, record, found, remedies, trials, said)
    arms = [(_decoy(found, source))] if control else [(CONTROL, ()), _decoy(found, source)]
    *first, false = trained(trials, source, *arms)
    base = Arms(control or first[0], (), false)
    more = () if only else further(found, record, source.plan, remedies)
    tries = _Tries(source, trials, base, _decoy(found, source))
    tries.all(remedies, more)
    kept, said = tries.best()
    made = ended(source, record, found, remedies, trials, said)
    return replace(
        made,
        tried=tuple(v for _, v in tries.tried),
        skipped=tuple(tries.skipped),
        source=source if kept is None else source.edit(kept.change),
        kept=kept,
    )


def ended(
    source: Source,
    record: Record,
    found: Diagnosis,
    remedies: Sequence[Remedy],
    trials: Trials,
    said: Verdict,
) -> Repair:
    """A repair in which nothing was kept."""
    return Repair(found, record, tuple(remedies), said, (), (), source, trials, before=source)


def lived(source: Source, trials: Trials) -> tuple[tuple[Trial, ...], int | None]:
    """The control's trials, and the first seed in which it does not train; None: it does in all."""
    (control,) = trained(trials, source, (CONTROL, ()))
    failing = [t.seed for t in control if t.train is not None and not trains(t)]
    return control, failing[0] if failing else None


def record_of(source: Source, trials: Trials, seed: int) -> Record:
    """What is measured while the source trains with a seed."""
    with single_threaded():
        return train(task(trials, source, CONTROL, (), seed)).record


class _Tries:
    """The remedies tried so far, with their verdicts; and those that were not, with the reason."""

    def __init__(
        self, source: Source, trials: Trials, base: Arms, decoy: tuple[str, tuple[Edit, ...]]
    ) -> None:
        self.source, self.trials, self.base, self._decoy = source, trials, base, decoy
        last = max(trials.seeds)
        self._more = replace(trials, seeds=tuple(range(last + 1, last + 1 + STAGE)))
        self._added: tuple[tuple[Trial, ...], ...] | None = None  # of control and decoy
        self.tried: list[tuple[Remedy, Verdict]] = []
        self.skipped: list[str] = []
        self._waiting: list[tuple[Remedy, str]] = []
        self._half = trials.deadline.left / 2

    def all(self, remedies: Sequence[Remedy], more: Sequence[Remedy]) -> None:
        """Singles the pre-flight passes, pairs it passes, then those held back; until one repairs.

        A batch that is still not learned with a change says little for training it at length: a
        pair with which it is comes before.
        """
        pairs = [r for r in (*remedies, *more) if PAIR in r.name]
        singles = [r for r in (*remedies, *more) if PAIR not in r.name]
        ahead = [r for r in remedies if r in singles or r in pairs]
        later = [r for r in singles if r not in ahead]
        done = self._some(ahead, MOST) or self._some(later, MOST)
        if done:
            self._rivals(ahead)
        if not done:
            far = len(self.tried) + PAIRS
            done = self._some([r for r in pairs if r not in ahead], far)
        if not done:
            self._held(MOST + PAIRS)
        self.skipped += [f"{remedy.name}: {why}" for remedy, why in self._waiting]

    def best(self) -> tuple[Remedy | None, Verdict]:
        """What is kept, with its verdict; else no remedy and the honest not-shown."""
        kept = chosen(self.tried)
        if kept is not None:
            return kept
        seeds = self.trials.seeds
        if not self.tried:
            why = self._nothing()
            return None, Verdict("not-shown", None, None, seeds, self.base.control, why=why)
        first = self.tried[0][1]
        worse = [v.remedy for _, v in self.tried if v.word == "worse"]
        made_worse = f" ({', '.join(worse)} made it worse)" if worse else ""
        why = f"none of {len(self.tried)} remedies tried was shown to help{made_worse}"
        return None, first if len(self.tried) == 1 and not worse else replace(
            first, word="not-shown", why=f"{why}; of {first.remedy}: {first.why}"
        )

    def _nothing(self) -> str:
        late = self.trials.deadline.over
        return (
            "the budget was over before a remedy could be tried"
            if late
            else ("no remedy could be tried")
        )

    def _some(self, remedies: Sequence[Remedy], most: int) -> bool:
        """Whether one of these repairs; those the pre-flight holds back wait."""
        for remedy in remedies:
            if len(self.tried) >= most:
                return False
            if self.trials.deadline.over:
                self.skipped.append(f"{remedy.name}: not tested (budget)")
                continue
            held = self._filtered(remedy)
            if held is not None:
                (
                    self._waiting.append((remedy, held))
                    if held.startswith(STILL)
                    else self.skipped.append(f"{remedy.name}: {held}")
                )
            elif self._train(remedy):
                return True
        return False

    def _rivals(self, remedies: Sequence[Remedy]) -> None:
        """Train a few more behind the first that repairs, where half of the time is left."""
        known = {r.name for r, _ in (*self.tried, *self._waiting)}
        known |= {line.partition(":")[0] for line in self.skipped}
        left = [r for r in remedies if r.name not in known]
        for remedy in left[:RIVALS]:
            if self.trials.deadline.left < self._half:
                return
            held = self._filtered(remedy)
            if held is None:
                self._trained(remedy)
            else:
                self.skipped.append(f"{remedy.name}: {held}")

    def _held(self, most: int) -> bool:
        """Whether one of those that waited repairs after all."""
        while self._waiting and len(self.tried) < most and not self.trials.deadline.over:
            if self._train(self._waiting.pop(0)[0]):
                return True
        return False

    def _train(self, remedy: Remedy) -> bool:
        """Whether it repairs; a rate that does not is taken a tenth (ten times) further, twice."""
        if self._trained(remedy):
            return True
        factor = FURTHER.get(remedy.name)
        for _ in range(TIMES if factor is not None else 0):
            if self.trials.deadline.over:
                return False
            remedy = replace(remedy, change=tuple(_scaled(e, factor or 1.0) for e in remedy.change))
            if self._trained(remedy):
                return True
        return False

    def _trained(self, remedy: Remedy) -> bool:
        (treated,) = trained(self.trials, self.source, (remedy.name, remedy.change))
        arms = replace(self.base, treated=treated)
        said = verdict(arms, remedy.name, remedy.change)
        if promising(arms) and not self.trials.deadline.over:
            said = self._longer(remedy, arms, said)
        self.tried.append((remedy, said))
        return said.word == "repaired"

    def _longer(self, remedy: Remedy, arms: Arms, said: Verdict) -> Verdict:
        """The verdict with seeds added to every arm; the first one where time is short for them."""
        more, source = self._more, self.source
        if self._added is None:
            self._added = trained(more, source, (CONTROL, ()), self._decoy)
        (treated,) = trained(more, source, (remedy.name, remedy.change))
        control, false = self._added
        wide = Arms(
            (*arms.control, *control), (*arms.treated, *treated), (*arms.decoy, *false), looks=2
        )
        late = any(t.fault == LATE for t in (*control, *treated, *false))
        return said if late else verdict(wide, remedy.name, remedy.change)

    def _filtered(self, remedy: Remedy) -> str | None:
        """Why a remedy waits or falls out: the batch is still not learned, or it cannot be made."""
        told: list[str] = []
        try:
            changed = self.source.edit(remedy.change)
            with guarded(self.trials.seeds[0]):
                case = ready_case(changed, self.trials, remedy.change)
                data, seed = self.trials.train, self.trials.seeds[0]
                net = build(changed, remedy.change, data, seed, told.append)
                case = replace(case, net=net)
                record = measure(case, probe_steps=PROBE_STEPS, deadline=self.trials.deadline)
        except UndertowError as error:
            return str(error)
        except (RuntimeError, ValueError) as error:  # a changed net that the data do not fit
            return f"{type(error).__name__}: {error}"
        self.skipped += [f"{remedy.name}: {line}" for line in told]
        after = diagnose(record)
        if after.healthy:
            return None
        return f"{STILL} {after.mechanism if after.mechanism != 'healthy' else 'a symptom'}"


def _scaled(e: Edit, factor: float) -> Edit:
    """A rate times a factor; any other edit as it is."""
    return Edit(e.field, float(f"{float(e.value or 0) * factor:.6g}")) if e.field == "lr" else e


def _decoy(found: Diagnosis, source: Source) -> tuple[str, tuple[Edit, ...]]:
    made = decoy(found.mechanism, source.plan)
    return f"{DECOY}: {made.name}", made.change
