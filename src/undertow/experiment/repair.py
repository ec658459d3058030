"""The loop of repair: edit, pre-flight, paired training, roll back, next; then the proof."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

from torch import nn
from torch.optim import Optimizer

from undertow.core.errors import UndertowError
from undertow.core.finding import Diagnosis, Remedy
from undertow.core.plan import Edit, Plan
from undertow.core.record import Record
from undertow.core.verdict import Trial, Verdict
from undertow.data.arrays import Arrays
from undertow.data.split import batches, standardised
from undertow.diagnosis.engine import diagnose
from undertow.experiment.effect import Arms, verdict
from undertow.experiment.memory import Memory
from undertow.experiment.pair import Source, Task, build, make_optimizer, paired, train
from undertow.experiment.recipe import recipe
from undertow.nn.loss import criterion
from undertow.preflight import Case, Deadline, guarded, measure
from undertow.preflight.case import plain_step
from undertow.remedies.rank import decoy

MOST = 5  # remedies tried
PROBE_STEPS = 50
CONTROL = "control"
DECOY = "decoy"

Tell = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Trials:
    """How the proof is run: data, steps, seeds fixed beforehand, where and how long."""

    train: Arrays
    held: Arrays | None
    steps: int
    seeds: tuple[int, ...]
    deadline: Deadline
    executor: Executor | None = None
    tell: Tell = lambda _: None
    done: Callable[[Trial], None] = lambda _: None
    memory: Memory | None = None


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
        trained = train(_task(self.trials, self.source, "model", edits, self.trials.seeds[0]))
        return trained.net, trained.optimizer

    @property
    def model(self) -> nn.Module:
        """The repaired net (not shown: the control), trained on the first seed when asked for."""
        return self._live[0]

    @property
    def optimizer(self) -> Optimizer:
        """The optimiser of `model`."""
        return self._live[1]


def case_of(source: Source, data: Arrays, seed: int, size: int, edits: Sequence[Edit] = ()) -> Case:
    """The pre-flight case of a source on the first batch it would train on with this seed."""
    net = build(source, edits, data.shape, seed)
    x, y = next(batches(data, size, seed, 1))
    loss_fn, word = criterion(source.loss or source.choices.loss, y)
    make = partial(make_optimizer_for, source, tuple(edits), net)
    plan = None if source.plan is None else replace(source.plan, seed=seed)
    return Case(
        net,
        (x, y),
        plain_step(loss_fn),
        loss_fn,
        word,
        make,
        source.choices.clip_norm,
        seed,
        plan=plan,
    )


def make_optimizer_for(
    source: Source, edits: tuple[Edit, ...], net: nn.Module, params: Iterable[nn.Parameter]
) -> Optimizer:
    """The source's optimiser over the given parameters (of a copy of `net`)."""
    holder = nn.Module()
    for i, p in enumerate(params):
        holder.register_parameter(f"p{i}", p if isinstance(p, nn.Parameter) else nn.Parameter(p))
    return make_optimizer(source, edits, holder)


def repair(
    source: Source, record: Record, found: Diagnosis, remedies: Sequence[Remedy], trials: Trials
) -> Repair:
    """Try ranked remedies by pre-flight, then by paired training; keep the cheapest that is shown.

    Args:
        source: what trains now; it is never changed.
        record: the pre-flight record that led here.
        found: its diagnosis.
        remedies: in the order of trying; at most five are trained.
        trials: data, seeds and limits, all fixed before the first look.
    """
    control, false = _trained(trials, source, (CONTROL, ()), _decoy(found, source))
    tried, skipped = _tries(source, remedies, trials, Arms(control, (), false))
    kept, said = _best(tried)
    if said is None:
        why = "no remedy could be tried"
        said = Verdict("not-shown", None, None, trials.seeds, control, why=why)
    return Repair(
        diagnosis=found,
        record=record,
        remedies=tuple(remedies),
        verdict=said,
        tried=tuple(v for _, v in tried),
        skipped=skipped,
        source=source if kept is None else source.edit(kept.change),
        trials=trials,
        kept=kept,
        before=source,
    )


def _tries(
    source: Source, remedies: Sequence[Remedy], trials: Trials, base: Arms
) -> tuple[list[tuple[Remedy, Verdict]], tuple[str, ...]]:
    """Each remedy filtered by pre-flight, then trained, until one is shown to repair."""
    tried: list[tuple[Remedy, Verdict]] = []
    skipped: list[str] = []
    for remedy in remedies[:MOST]:
        late = trials.deadline.over
        why = "not tested (budget)" if late else _filtered(source, remedy, trials)
        if why:
            skipped.append(f"{remedy.name}: {why}")
            continue
        (treated,) = _trained(trials, source, (remedy.name, remedy.change))
        said = verdict(replace(base, treated=treated), remedy.name, remedy.change)
        tried.append((remedy, said))
        if said.word == "repaired":
            break
    return tried, tuple(skipped)


def _best(tried: list[tuple[Remedy, Verdict]]) -> tuple[Remedy | None, Verdict | None]:
    """The first shown as repaired, else improved; else the first verdict and no remedy."""
    for word in ("repaired", "improved"):
        for remedy, said in tried:
            if said.word == word:
                return remedy, said
    return None, tried[0][1] if tried else None


def _decoy(found: Diagnosis, source: Source) -> tuple[str, tuple[Edit, ...]]:
    made = decoy(found.mechanism, source.plan)
    return f"{DECOY}: {made.name}", made.change


def _trained(
    trials: Trials, source: Source, *arms: tuple[str, tuple[Edit, ...]]
) -> tuple[tuple[Trial, ...], ...]:
    tasks = [_task(trials, source.edit(e), a, e, s) for a, e in arms for s in trials.seeds]
    for name, _ in arms:
        trials.tell(f"training {name}: {len(trials.seeds)} seeds × {trials.steps} steps")
    results = paired(tasks, executor=trials.executor, done=trials.done, memory=trials.memory)
    n = len(trials.seeds)
    return tuple(results[i * n : (i + 1) * n] for i in range(len(arms)))


def _task(trials: Trials, source: Source, arm: str, edits: tuple[Edit, ...], seed: int) -> Task:
    return Task(arm, seed, source, edits, trials.train, trials.held, trials.steps)


def _filtered(source: Source, remedy: Remedy, trials: Trials) -> str:
    """Why a remedy is not worth training: it cannot be made, or the batch is still not learned."""
    changed = source.edit(remedy.change)
    try:
        with guarded(trials.seeds[0]):
            case = ready_case(changed, trials, remedy.change)
            record = measure(case, probe_steps=PROBE_STEPS, deadline=trials.deadline)
    except UndertowError as error:
        return str(error)
    after = diagnose(record)
    if after.healthy:
        return ""
    return (
        f"pre-flight still finds {after.mechanism if after.mechanism != 'healthy' else 'a symptom'}"
    )


def ready_case(source: Source, trials: Trials, edits: Sequence[Edit] = ()) -> Case:
    """The case of a source on its own training batch, standardised where its choices say so."""
    wanted = source.choices.standardise
    on = trials.train.standardise if wanted is None else wanted
    data = standardised(trials.train)[0] if on else trials.train
    return case_of(source, data, trials.seeds[0], source.choices.batch, edits)
