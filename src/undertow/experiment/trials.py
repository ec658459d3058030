"""How a proof is run, arm by arm: its limits, its cases before training, its tasks."""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from statistics import median

from torch import nn
from torch.optim import Optimizer

from undertow.core.errors import UsageError
from undertow.core.plan import Edit
from undertow.core.verdict import Trial, Verdict
from undertow.data.arrays import Arrays
from undertow.data.split import batches, standardised
from undertow.experiment.memory import Memory
from undertow.experiment.pair import Source, Task, build, make_optimizer, paired
from undertow.nn.loss import criterion
from undertow.nn.threads import single_threaded
from undertow.preflight import Case, Deadline, guarded
from undertow.preflight.case import plain_step
from undertow.train.loop import How, walk

PACE = 6  # steps by which the time of a trial is told before any is run
HELD = 10  # held-back samples below which their loss hangs on which ones they are
SLOW = 2.0  # times the budget that a repair may be thought to take before it is refused

Tell = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Trials:
    """How the proof is run: data, steps, seeds fixed beforehand, where and how long.

    `base` is what losses are relative to where the best constant answer's cannot be known.
    """

    train: Arrays
    held: Arrays | None
    steps: int
    seeds: tuple[int, ...]
    deadline: Deadline
    executor: Executor | None = None
    tell: Tell = lambda _: None
    done: Callable[[Trial], None] = lambda _: None
    memory: Memory | None = None
    base: float | None = None


def task(trials: Trials, source: Source, arm: str, edits: tuple[Edit, ...], seed: int) -> Task:
    """One trial of an arm."""
    return Task(arm, seed, source, edits, trials.train, trials.held, trials.steps, base=trials.base)


def trained(
    trials: Trials, source: Source, *arms: tuple[str, tuple[Edit, ...]]
) -> tuple[tuple[Trial, ...], ...]:
    """The trials of every arm, all seeds of all arms together; an arm is a name and its edits."""
    tasks = [task(trials, source.edit(e), a, e, s) for a, e in arms for s in trials.seeds]
    for name, _ in arms:
        trials.tell(f"training {name}: {len(trials.seeds)} seeds × {trials.steps} steps")
    results = paired(
        tasks,
        executor=trials.executor,
        done=trials.done,
        memory=trials.memory,
        left=lambda: trials.deadline.left,
    )
    n = len(trials.seeds)
    return tuple(results[i * n : (i + 1) * n] for i in range(len(arms)))


def case_of(source: Source, data: Arrays, seed: int, size: int, edits: Sequence[Edit] = ()) -> Case:
    """The pre-flight case of a source on the first batch it would train on with this seed."""
    net = build(source, edits, data, seed)
    x, y = next(batches(data, size, seed, 1))
    make = partial(make_optimizer_for, source, tuple(edits), net)
    clip = source.choices.clip_norm
    if source.step is not None:
        return Case(net, x, source.step, None, "", make, clip, seed)
    loss_fn, word = criterion(source.loss or source.choices.loss, y)
    plan = None if source.plan is None else replace(source.plan, seed=seed)
    return Case(net, (x, y), plain_step(loss_fn), loss_fn, word, make, clip, seed, plan=plan)


def make_optimizer_for(
    source: Source, edits: tuple[Edit, ...], net: nn.Module, params: Iterable[nn.Parameter]
) -> Optimizer:
    """The source's optimiser over the given parameters (of a copy of `net`)."""
    holder = nn.Module()
    for i, p in enumerate(params):
        holder.register_parameter(f"p{i}", p if isinstance(p, nn.Parameter) else nn.Parameter(p))
    return make_optimizer(source, edits, holder)


def ready_case(
    source: Source, trials: Trials, edits: Sequence[Edit] = (), seed: int | None = None
) -> Case:
    """The case of a source on its own training batch, standardised where its choices say so."""
    wanted = source.choices.standardise
    on = trials.train.standardise if wanted is None else wanted
    data = standardised(trials.train)[0] if on else trials.train
    first = trials.seeds[0] if seed is None else seed
    return case_of(source, data, first, source.choices.batch, edits)


def base_of(source: Source, trials: Trials) -> float | None:
    """What losses are relative to where the constant answer's cannot be known; None: it can.

    Raises:
        UsageError: the loss of the first batch is not finite, so that nothing could be compared.
    """
    case = ready_case(source, trials)
    lesson = source.lesson(trials.train)
    if lesson.constant(case.net) is not None:
        return None
    with guarded(trials.seeds[0]):
        made = case.run(case.fresh()).detach()
    if made.numel() != 1:
        raise UsageError(
            f"the loss is of shape {tuple(made.shape)}, not a scalar; reduce it (mean)"
        )
    loss = abs(float(made))
    if not 0 < loss < math.inf:
        raise UsageError(
            f"the first loss is {loss:g} and the best constant answer's cannot be known: "
            "there is nothing a repair could be compared with; give a loss that is positive and "
            "finite at the start"
        )
    return loss


def too_short(source: Source, trials: Trials) -> str:
    """Why the budget cannot hold three arms of all seeds, with what it could; empty if it can."""
    step = _seconds_a_step(source, trials)
    arms = 3 * len(trials.seeds)
    left, need = trials.deadline.left, arms * trials.steps * step
    if need <= SLOW * left:
        return ""
    fits = max(1, int(left / (arms * step)))
    return (
        f"{left:.0f} s are left for 3 arms of {len(trials.seeds)} seeds, which take about "
        f"{need:.0f} s: give a budget of {math.ceil(need)} s more, or about {fits} steps"
    )


def told_if_few(said: Verdict, trials: Trials) -> Verdict:
    """The verdict; with the samples it takes, where nothing was shown on very few held back."""
    held, n = 0 if trials.held is None else len(trials.held.x), len(trials.train.x)
    if trials.held is None or held >= HELD or said.word != "not-shown":
        return said
    need = math.ceil(HELD * (n + held) / held)
    return replace(
        said,
        why=f"{said.why}. Only {held} of {n + held} samples are held back, too few to show an "
        f"effect by: give about {need} samples, or {HELD} or more of your own as validation",
    )


def _seconds_a_step(source: Source, trials: Trials) -> float:
    """Median seconds of a few training steps."""
    lesson = source.lesson(trials.train)
    net = build(source, (), trials.train, trials.seeds[0])
    optimizer = make_optimizer(source, (), net)
    how = How(lesson.loss_fn, forward=lesson.forward(net, None))
    marks = [time.perf_counter()]
    with single_threaded(), guarded(trials.seeds[0]):
        steps = walk(net, optimizer, lesson.groups(trials.seeds[0], PACE), how)
        with suppress(RuntimeError, ValueError, IndexError):  # the control's trials will say so
            marks += [time.perf_counter() for _ in steps]
    spent = [b - a for a, b in pairwise(marks)]
    return median(spent) if spent else 0.0
