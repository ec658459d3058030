"""One trial: one arm, one seed; and the paired experiment of control, treated and decoy."""

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from inspect import signature
from statistics import fmean
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from undertow.core.plan import Edit, Plan, TrainChoices
from undertow.core.record import Record, Scalars
from undertow.core.verdict import Trial
from undertow.data.arrays import Arrays
from undertow.data.split import batches, standardised
from undertow.diagnosis.engine import diagnose
from undertow.experiment.executor import run_all
from undertow.experiment.memory import Memory
from undertow.instrument.constant import const_loss
from undertow.instrument.watch import Watch
from undertow.models import build_plan
from undertow.nn import surgery
from undertow.nn.loss import criterion
from undertow.nn.optimizer import Factory, facts, from_choices
from undertow.nn.threads import single_threaded
from undertow.preflight.case import guarded
from undertow.train.loop import evaluate, penalties, rate_factor, re_estimate, steps

TAIL = 0.1  # share of the steps whose mean training loss is judged
ROWS = 50  # steps between layer rows of a trial
RE_ESTIMATE = 20  # batches over which norms are averaged again before the held-back loss
NET_FIELDS = ("act", "norm", "init", "reset_bias")

Build = Callable[..., nn.Module]


@dataclass(frozen=True, eq=False)
class Source:
    """What is trained: a plan, or a build function with training choices and an optimiser."""

    plan: Plan | None
    choices: TrainChoices
    build: Build | None = None
    optimizer: Factory | None = None
    loss: Any = None

    def edit(self, edits: Sequence[Edit]) -> "Source":
        """The source with a remedy's edits; a foreign net's own edits are made after building."""
        if self.plan is not None:
            plan = self.plan.edit(edits)
            return replace(self, plan=plan, choices=plan.train)
        held = Plan("foreign", train=self.choices).edit(
            e for e in edits if e.field not in NET_FIELDS
        )
        return replace(self, choices=held.train)


@dataclass(frozen=True, eq=False)
class Task:
    """One trial to run; it pickles where its source does.

    `seed` gives batches and, unless `draw` says otherwise, the initial weights.
    """

    arm: str
    seed: int
    source: Source
    edits: tuple[Edit, ...]
    train: Arrays
    held: Arrays | None
    steps: int
    draw: int | None = None


@dataclass(frozen=True, eq=False)
class Trained:
    """A trial and what it left: the live net and optimiser."""

    trial: Trial
    net: nn.Module
    optimizer: Optimizer


def build(source: Source, edits: Sequence[Edit], shape: tuple[int, ...], seed: int) -> nn.Module:
    """A fresh net of a seed, edited; the global random states are put back."""
    with guarded(seed):
        if source.plan is not None:
            net = build_plan(replace(source.plan, seed=seed), shape)
            if source.plan.train.reset_bias:
                surgery.zero_biases(net)
            return net
        assert source.build is not None
        takes = [p for p in signature(source.build).parameters.values() if p.default is p.empty]
        net = source.build(seed) if takes else source.build()
        own = [e for e in edits if e.field in NET_FIELDS]
        return surgery.edited(net, own, _rows(net, shape), seed) if own else net


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
    """The trial of a task (module level, so that it can be sent to a worker)."""
    with single_threaded():
        return train(task).trial


def train(task: Task) -> Trained:
    """Train one arm with one seed, watched; judge it on the tail and on held-back data."""
    source, choices = task.source, task.source.choices
    parts = _scaled(task)
    drawn = task.seed if task.draw is None else task.draw
    net = build(source, task.edits, parts[0].shape, drawn)
    optimizer = make_optimizer(source, task.edits, net)
    loss_fn, _ = criterion(source.loss or choices.loss, parts[0].y)
    began = time.process_time()
    with guarded(task.seed):
        record = _watched(task, net, optimizer, parts[0], loss_fn)
    seconds = time.process_time() - began
    trial = _trial(task, net, record, parts, loss_fn)
    return Trained(replace(trial, seconds=seconds), net, optimizer)


def paired(
    tasks: Sequence[Task],
    *,
    executor: Executor | None = None,
    done: Callable[[Trial], None] = lambda _: None,
    memory: Memory | None = None,
) -> tuple[Trial, ...]:
    """All trials of a paired experiment, in the order of the tasks.

    Args:
        tasks: one an arm and seed; no two of the same.
        executor: where they run.
        done: is told each trial as it arrives.
        memory: where finished trials are found and kept; those found are not run again.
    """
    known = {i: t for i, task in enumerate(tasks) if memory and (t := memory.get(task)) is not None}
    open_ = [task for i, task in enumerate(tasks) if i not in known]
    by_name = {(task.arm, task.seed): task for task in open_}

    def kept(trial: Trial) -> None:
        if memory is not None:
            memory.put(by_name[trial.arm, trial.seed], trial)
        done(trial)

    fresh = iter(run_all(run_task, open_, _failed, executor=executor, done=kept) if open_ else ())
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


def _rows(net: nn.Module, shape: tuple[int, ...]) -> Any:
    from undertow.instrument.probe import rows_of

    return rows_of(net, torch.zeros(2, *shape))


def _watched(
    task: Task, net: nn.Module, optimizer: Optimizer, data: Arrays, loss_fn: Any
) -> Record:
    """The record of the whole training, in memory."""
    choices = task.source.choices
    head = Record(
        kind="run",
        source=task.arm,
        plan=task.source.plan,
        optimizer=facts(optimizer, choices.clip_norm),
        const_loss=_constant(net, data, loss_fn),
    )
    order = batches(data, choices.batch, task.seed, task.steps)
    metrics: list[Scalars] = []

    def factor(step: int) -> float:
        return rate_factor(choices, step, task.steps)

    watch = Watch(net, optimizer=optimizer, every=ROWS, judge=diagnose, head=head)
    with watch as w:
        for scalars, loss, y in steps(net, optimizer, order, loss_fn, penalties(choices), factor):
            w.loss(loss, y)
            metrics.append(scalars)
    return replace(w.record, metrics=tuple(metrics), const_loss=head.const_loss)


def _constant(net: nn.Module, data: Arrays, loss_fn: Any) -> float | None:
    with torch.no_grad():
        was = net.training
        net.eval()
        out = net(data.x[:2])
        net.train(was)
    return const_loss(loss_fn, out, data.y)


def _trial(
    task: Task, net: nn.Module, record: Record, parts: tuple[Arrays, ...], loss_fn: Any
) -> Trial:
    losses = [m.loss for m in record.metrics if m.loss is not None]
    bad = next(
        (m.step for m in record.metrics if m.loss is not None and not math.isfinite(m.loss)), None
    )
    base = record.const_loss or math.nan
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
    )
    if task.held is None or bad is not None:
        return replace(trial, held_back=math.inf if task.held is not None else None)
    order = batches(parts[0], task.source.choices.batch, task.seed, RE_ESTIMATE)
    re_estimate(net, order)
    held = evaluate(net, parts[1], loss_fn)
    constant = _constant(net, parts[1], loss_fn) or math.nan
    return replace(trial, held_back=held.loss / constant, accuracy=held.accuracy)


def _thin(curve: list[float], most: int = 60) -> tuple[float, ...]:
    """At most `most` points of a curve: the mean of each stretch."""
    size = max(1, math.ceil(len(curve) / most))
    return tuple(fmean(curve[i : i + size]) for i in range(0, len(curve), size))


def seeded_alike(source: Source, shape: tuple[int, ...], seeds: Sequence[int]) -> bool:
    """Whether two seeds give equal weights: then only the batches differ between trials."""
    nets = [build(source, (), shape, s) for s in seeds[:2]]
    if len(nets) < 2:
        return False
    pairs = zip(nets[0].parameters(), nets[1].parameters(), strict=True)
    return all(bool(torch.equal(a, b)) for a, b in pairs)
