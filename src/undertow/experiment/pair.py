"""One trial: one arm, one seed; and the paired experiment of control, treated and decoy."""

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from inspect import signature
from statistics import fmean
from threading import Lock
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from undertow.core.errors import UndertowError
from undertow.core.plan import Edit, Plan, TrainChoices
from undertow.core.record import Record, Scalars
from undertow.core.verdict import Trial
from undertow.data.arrays import Arrays
from undertow.data.split import standardised
from undertow.diagnosis.engine import diagnose
from undertow.experiment.executor import run_all
from undertow.experiment.lesson import LIKE, Lesson
from undertow.experiment.memory import Memory
from undertow.instrument.probe import Probe
from undertow.instrument.watch import Watch
from undertow.models.start import started, starts_by
from undertow.nn import surgery
from undertow.nn.copying import copied
from undertow.nn.memory import short_of_memory
from undertow.nn.optimizer import Factory, facts, from_choices
from undertow.nn.threads import single_threaded
from undertow.preflight.case import Step, guarded
from undertow.train.heads import heard, weight_of
from undertow.train.loop import How, penalties, rate_factor, walk

ALONE = Lock()  # random states belong to a process: its threads train one after another
TAIL = 0.1  # share of the steps whose mean training loss is judged
ROWS = 50  # steps between layer rows of a trial
NET_FIELDS = surgery.POSSIBLE

Build = Callable[..., nn.Module]


@dataclass(frozen=True, eq=False)
class Source:
    """What is trained: a plan, or a build function with training choices and an optimiser.

    `step` makes the loss of a batch in place of forward and loss; `edits` are made on what is
    built, by the `remedies` named.
    """

    plan: Plan | None
    choices: TrainChoices
    build: Build | None = None
    optimizer: Factory | None = None
    loss: Any = None
    step: Step | None = None
    edits: tuple[Edit, ...] = ()
    remedies: tuple[str, ...] = ()

    def edit(self, edits: Sequence[Edit]) -> "Source":
        """The source with a remedy's edits; a foreign net's own edits are made after building."""
        if self.plan is not None:
            plan = self.plan.edit(edits)
            return replace(self, plan=plan, choices=plan.train)
        held = Plan("foreign", train=self.choices).edit(
            e for e in edits if e.field not in NET_FIELDS
        )
        loss = None if any(e.field == "loss" for e in edits) else self.loss
        return replace(self, choices=held.train, loss=loss)

    def lesson(self, data: Arrays) -> Lesson:
        """The data as this source is taught them."""
        return Lesson(data, self.choices, self.loss, self.step)


@dataclass(frozen=True, eq=False)
class Task:
    """One trial to run; it pickles where its source does.

    `seed` gives batches and, unless `draw` says otherwise, the initial weights. Losses are
    relative to `base` where the best constant answer's cannot be known.
    """

    arm: str
    seed: int
    source: Source
    edits: tuple[Edit, ...]
    train: Arrays
    held: Arrays | None
    steps: int
    draw: int | None = None
    base: float | None = None


@dataclass(frozen=True, eq=False)
class Trained:
    """A trial and what it left: the live net and optimiser, and what was measured."""

    trial: Trial
    net: nn.Module
    optimizer: Optimizer
    record: Record


def build(
    source: Source,
    edits: Sequence[Edit],
    data: Arrays,
    seed: int,
    tell: Callable[[str], object] = lambda _: None,
) -> nn.Module:
    """A fresh net of a seed, edited; the global random states are put back.

    `data` gives inputs to see layout and dead units by; `tell` hears where an edit had no place.
    """
    with guarded(seed):
        if source.plan is not None:
            like = data.x[:LIKE] if starts_by(source.plan) else torch.zeros(1, *data.shape)
            return started(replace(source.plan, seed=seed), like)
        assert source.build is not None
        takes = [p for p in signature(source.build).parameters.values() if p.default is p.empty]
        net = source.build(seed) if takes else source.build()
        own = [e for e in (*source.edits, *edits) if e.field in NET_FIELDS]
        run = source.lesson(data).run
        return surgery.edited(net, own, _rows(net, run), seed, run, tell) if own else net


def make_optimizer(source: Source, edits: Sequence[Edit], net: nn.Module) -> Optimizer:
    """The source's optimiser for a net: its own factory unless an edit names another."""
    named = {e.field for e in edits}
    if source.optimizer is None or "optimizer" in named:
        return from_choices(source.choices, net.parameters())
    made = source.optimizer(net.parameters())
    for group in made.param_groups:
        group["lr"] = source.choices.lr if "lr" in named else group["lr"]
        group["weight_decay"] = source.choices.l2 if "l2" in named else group.get("weight_decay", 0)
    return made


def run_task(task: Task) -> Trial:
    """The trial of a task (module level, so that it can be sent to a worker).

    A net or a loss that raises while it is trained has failed to train, and says why.
    """
    with ALONE, single_threaded():
        try:
            return train(task).trial
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            if isinstance(error, UndertowError) or short_of_memory(error):
                raise
            held = None if task.held is None else math.inf
            why = f"{type(error).__name__}: {error}"
            return Trial(task.arm, task.seed, 0, math.inf, held, first_bad_step=0, fault=why)


def train(task: Task) -> Trained:
    """Train one arm with one seed, watched; judge it on the tail and on held-back data."""
    source = task.source
    parts = _scaled(task)
    drawn = task.seed if task.draw is None else task.draw
    net = build(source, task.edits, parts[0], drawn)
    optimizer = make_optimizer(source, task.edits, net)
    lessons = [source.lesson(part) for part in parts]
    began = time.process_time()
    with guarded(task.seed):
        record = _watched(task, net, optimizer, lessons[0])
    seconds = time.process_time() - began
    trial = _trial(task, net, record, lessons)
    return Trained(replace(trial, seconds=seconds), net, optimizer, record)


def paired(
    tasks: Sequence[Task],
    *,
    executor: Executor | None = None,
    done: Callable[[Trial], None] = lambda _: None,
    memory: Memory | None = None,
    left: Callable[[], float] = lambda: math.inf,
) -> tuple[Trial, ...]:
    """All trials of a paired experiment, in the order of the tasks.

    Args:
        tasks: one an arm and seed; no two of the same.
        executor: where they run.
        done: is told each trial as it arrives.
        memory: where finished trials are found and kept; those found are not run again.
        left: seconds until trials that have not begun are given up.
    """
    known = {i: t for i, task in enumerate(tasks) if memory and (t := memory.get(task)) is not None}
    open_ = [task for i, task in enumerate(tasks) if i not in known]
    by_name = {(task.arm, task.seed): task for task in open_}

    def kept(trial: Trial) -> None:
        if memory is not None:
            memory.put(by_name[trial.arm, trial.seed], trial)
        done(trial)

    made = run_all(run_task, open_, _failed, executor=executor, done=kept, left=left)
    fresh = iter(made)
    return tuple(
        replace(known[i], arm=task.arm) if i in known else next(fresh)
        for i, task in enumerate(tasks)
    )


def _failed(task: Task, why: str) -> Trial:
    return Trial(task.arm, task.seed, 0, None, fault=why)


def _scaled(task: Task) -> tuple[Arrays, ...]:
    parts = (task.train,) if task.held is None else (task.train, task.held)
    wanted = task.source.choices.standardise
    on = task.train.standardise if wanted is None else wanted
    return standardised(*parts) if on else parts


def _rows(net: nn.Module, run: Callable[[nn.Module], object]) -> Any:
    own = copied(net).eval()
    probe = Probe(own)
    with torch.enable_grad(), probe.sampling():
        run(own)
    return probe.layers


def _watched(task: Task, net: nn.Module, optimizer: Optimizer, lesson: Lesson) -> Record:
    """The record of the whole training, in memory."""
    choices = task.source.choices
    head = Record(
        kind="run",
        source=task.arm,
        plan=task.source.plan,
        optimizer=facts(optimizer, choices.clip_norm),
        const_loss=lesson.constant(net),
    )
    metrics: list[Scalars] = []

    def factor(step: int) -> float:
        return rate_factor(choices, step, task.steps)

    weight = weight_of(choices.aux_weight)
    watch = Watch(net, optimizer=optimizer, every=ROWS, judge=diagnose, head=head)
    with watch as w, heard(net, net, weight) as heads:
        forward = lesson.forward(net, heads)
        how = How(lesson.loss_fn, penalties(choices), factor, forward=forward, aux_weight=weight)
        for done in walk(net, optimizer, lesson.groups(task.seed, task.steps), how):
            w.loss(done.loss, None if lesson.step else done.y)
            metrics.append(done.scalars)
    return replace(w.record, metrics=tuple(metrics), const_loss=head.const_loss)


def _trial(task: Task, net: nn.Module, record: Record, lessons: Sequence[Lesson]) -> Trial:
    losses = [m.loss for m in record.metrics if m.loss is not None]
    bad = next(
        (m.step for m in record.metrics if m.loss is not None and not math.isfinite(m.loss)), None
    )
    base = record.const_loss or task.base or math.nan
    tail = losses[-max(1, round(TAIL * task.steps)) :] if bad is None else [math.inf]
    found = diagnose(record)
    trial = Trial(
        arm=task.arm,
        seed=task.seed,
        steps=len(losses),
        train=fmean(tail) / base if losses else None,
        first_bad_step=bad,
        symptoms=tuple(s.name for s in found.symptoms if not s.note),
        parameters=sum(p.numel() for p in net.parameters() if p.requires_grad),
        curve=_thin([v / base for v in losses]),
        by_constant=record.const_loss is not None,
    )
    if task.held is None or bad is not None:
        return replace(trial, held_back=math.inf if task.held is not None else None)
    lessons[0].average_norms(net, task.seed)
    held = lessons[1].evaluated(net)
    constant = lessons[1].constant(net) or task.base or math.nan
    return replace(trial, held_back=held.loss / constant, accuracy=held.accuracy)


def _thin(curve: list[float], most: int = 60) -> tuple[float, ...]:
    """At most `most` points of a curve: the mean of each stretch."""
    size = max(1, math.ceil(len(curve) / most))
    return tuple(fmean(curve[i : i + size]) for i in range(0, len(curve), size))


def seeded_alike(source: Source, data: Arrays, seeds: Sequence[int]) -> bool:
    """Whether two seeds give equal weights: then only the batches differ between trials."""
    nets = [build(source, (), data, s) for s in seeds[:2]]
    if len(nets) < 2:
        return False
    pairs = zip(nets[0].parameters(), nets[1].parameters(), strict=True)
    return all(bool(torch.equal(a, b)) for a, b in pairs)
