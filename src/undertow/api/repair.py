"""`ut.repair`: the right remedy for the cause, proven by paired training, or an honest no."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from undertow.api.check import checked
from undertow.api.diagnose import report_of
from undertow.api.trials import factory, limited, runs
from undertow.core.errors import UsageError
from undertow.core.finding import Cause, Remedy
from undertow.core.plan import Plan, TrainChoices
from undertow.core.verdict import Trial, Verdict
from undertow.data.arrays import Arrays, finite, load
from undertow.data.given import given
from undertow.data.split import hold_back
from undertow.experiment import repair as engine
from undertow.experiment.degradation import degraded, hampered
from undertow.experiment.executor import one_pool
from undertow.experiment.memory import Memory
from undertow.experiment.pair import Source, seeded_alike
from undertow.experiment.trials import Trials, base_of, ready_case, told_if_few
from undertow.preflight import Deadline, guarded
from undertow.remedies.structure import SKIP
from undertow.report.report import Report

__all__ = ["Fix", "proven", "repair"]

SHAPED = frozenset({"standardise"})  # fields that need (x, y) batches
PAIR = 2
EQUAL = "UT205"  # rows of a weight that are equal and stay so
CHECKING = 1 / 4  # share of the budget for the look before training: trials are the proof
BATCH = 64  # samples of a step, where the data do not come in batches for a step of the user's
FACTORS = {  # field of an edit -> the cause it answers by itself
    "act": "activation",
    "init": "initialisation",
    "skip": "depth",
    "depth": "depth",
    "reset_bias": "bias",
    "lr": "learning-rate",
    "standardise": "input-scale",
}


@dataclass(frozen=True, eq=False)
class Fix:
    """What a repair found: `report`, `remedies`, `verdict`, `plan` are frozen; the rest is live."""

    report: Report
    remedies: tuple[Remedy, ...]
    verdict: Verdict
    tried: tuple[Verdict, ...]
    skipped: tuple[str, ...]
    _made: engine.Repair | None = None

    @property
    def plan(self) -> Plan | None:
        """The plan to train with; None for a module given as code."""
        return None if self._made is None else self._made.plan

    @property
    def source(self) -> Source | None:
        """What to train: the source with the kept remedy's change."""
        return None if self._made is None else self._made.source

    @property
    def kept(self) -> Remedy | None:
        """The remedy that was shown to work; None where none was."""
        return None if self._made is None else self._made.kept

    @cached_property
    def model(self) -> nn.Module:
        """The repaired, trained network (not shown: the control), of the first seed."""
        if self._made is None:
            raise UsageError("the network is healthy: nothing was repaired and nothing trained")
        return self._made.model

    @property
    def optimizer(self) -> Optimizer:
        """The optimiser that trained `model`."""
        if self._made is None:
            raise UsageError("the network is healthy: nothing was repaired and nothing trained")
        return self._made.optimizer

    def diff(self) -> str:
        """What to change in one's own code, as text; empty where nothing was shown."""
        return "" if self._made is None else self._made.diff()


def repair(
    build: Callable[..., nn.Module],
    data: object,
    loss: object = None,
    *,
    step: Callable[[nn.Module, Any], Tensor] | None = None,
    optimizer: Optimizer | Callable[[Iterable[nn.Parameter]], Optimizer] | None = None,
    validation: object = 0.2,
    steps: int = 300,
    seeds: int = 3,
    budget_s: float = 120,
    executor: Executor | None = None,
) -> Fix:
    """Find what keeps a network from training, change exactly that, and prove it by training.

    Args:
        build: returns a fresh network; takes nothing or a seed.
        data: (x, y) tensors, trained on in batches of 64; an iterable of such batches (read into
            memory), in batches as large as the first; or a path or name.
        loss: a loss word or callable(outputs, targets); None as in `check`.
        step: (net, batch) -> scalar loss, in place of forward and loss; for training and for the
            held-back loss alike.
        optimizer: an Optimizer or (params) -> Optimizer; None is SGD with momentum .9 and rate .02.
        validation: held-back data, or the share to hold back.
        steps: optimiser steps of each trial.
        seeds: trials an arm; fewer than 3 show nothing.
        budget_s: seconds for everything.
        executor: where trials run; None is a pool of processes of one thread.

    Raises:
        UsageError: data, a loss or a network that cannot be run or compared.
    """
    limited(steps, seeds, budget_s, executor)
    kept, held, batch = parts(data, validation, whole=step is not None)
    source = sourced(build, optimizer, loss, step, batch)
    runs(source, kept)
    trials = Trials(kept, held, steps, tuple(range(seeds)), Deadline(budget_s), executor)
    return proven(source, trials, name=getattr(build, "__name__", "build"))


def remembered(trials: Trials, folder: str | Path | None) -> Trials:
    """The same trials, finished ones kept in (and taken from) `trials.jsonl` of a folder."""
    if folder is None:
        return trials
    return replace(trials, memory=Memory(Path(folder) / "trials.jsonl"))


def parts(data: object, validation: object, *, whole: bool = False) -> tuple[Arrays, Arrays, int]:
    """(what is trained on, what is held back, samples a batch): a share by seed 0, or own data.

    Args:
        data: (x, y), or an iterable of such batches; of any batches where `whole`.
        validation: likewise, or the share.
        whole: a step of the user's takes the batches.

    Raises:
        UsageError: neither tensors nor batches, or a share that leaves a part empty.
    """
    arrays, batch = _read("data", data, whole)
    if isinstance(validation, int | float):
        return (*hold_back(arrays, float(validation), 0), batch)
    return arrays, _read("validation", validation, whole)[0], batch


def _read(name: str, data: object, whole: bool) -> tuple[Arrays, int]:
    if not whole:
        if _one(data):
            return as_arrays(name, data), BATCH
        each = list(cast("Iterable[Any]", data))
        several = len(each) > 1 and all(map(_is_pair, each))
        return as_arrays(name, each), len(each[0][0]) if several else BATCH
    if isinstance(data, Mapping) or _is_pair(data):
        held: list[Any] = [data]
    elif isinstance(data, Iterable):
        held = list(data)
    else:
        raise UsageError(f"{name} of type {type(data).__name__} cannot be read; give batches")
    x, size = given(held)
    inputs: Any = x  # indexed as tensors are; only a step of the user's sees what is in it
    size = min(size, BATCH) if len(held) == 1 else size
    return Arrays(name, inputs, torch.zeros(len(x)), 0, False), size


def sourced(
    build: Callable[..., nn.Module],
    optimizer: Optimizer | Callable[[Iterable[nn.Parameter]], Optimizer] | None,
    loss: object,
    step: Callable[[nn.Module, Any], Tensor] | None = None,
    batch: int = BATCH,
) -> Source:
    """A build function as something that can be trained: SGD .9 at .02 unless told otherwise.

    Raises:
        UsageError: a build that is no function, or an optimiser that is none.
    """
    if isinstance(build, nn.Module) or not callable(build):
        raise UsageError(
            f"build is a {type(build).__name__}; give a function that returns a fresh nn.Module,"
            " so that every trial starts anew"
        )
    make = None if optimizer is None else factory(optimizer)
    choices = TrainChoices(lr=0.02, standardise=False, batch=batch)
    return Source(None, _with_rate(choices, make), build, make, loss, step)


def _with_rate(
    choices: TrainChoices,
    optimizer: Callable[[Iterable[nn.Parameter]], Optimizer] | None,
) -> TrainChoices:
    if optimizer is None:
        return choices
    made = optimizer([nn.Parameter(torch.zeros(1))])
    if not isinstance(made, Optimizer):
        raise UsageError(f"optimizer made a {type(made).__name__}; return an Optimizer")
    group = made.param_groups[0]
    return replace(choices, lr=float(group["lr"]), l2=float(group.get("weight_decay", 0.0)))


def proven(
    source: Source,
    trials: Trials,
    *,
    name: str,
    facts: tuple[tuple[str, str], ...] = (),
    report: Report | None = None,
) -> Fix:
    """Check, then repair and prove where there is a finding; `report` skips the check."""
    with one_pool():
        return _proven(source, replace(trials, base=base_of(source, trials)), name, facts, report)


def _proven(
    source: Source,
    trials: Trials,
    name: str,
    facts: tuple[tuple[str, str], ...],
    report: Report | None,
) -> Fix:
    if report is None:
        report = _checked(source, trials, name, facts)
    control: tuple[Trial, ...] = ()
    deep = False
    if report.healthy:
        control, failing = engine.lived(source, trials)
        if failing is None:
            report = _unparted(report)
            deep = report.healthy and hampered(report.record, control)
            if report.healthy and not deep:
                return _sound(source, trials, report, control)
        else:
            report = _failing(source, trials, report, failing)
    remedies = (SKIP,) if deep else _possible(report.remedies, source)
    seen = (report.record, report.diagnosis)
    made = engine.repair(source, *seen, remedies, trials, control, only=deep)
    kept = (made.verdict.remedy, made.verdict.edits)
    earlier = tuple(v for v in made.tried if (v.remedy, v.edits) != kept)
    made = degraded(replace(made, verdict=told_if_few(made.verdict, trials)))
    if deep and made.diagnosis.healthy:
        return _sound(source, trials, report, control)
    final = replace(report, diagnosis=made.diagnosis, verdict=made.verdict, tried=earlier)
    if made.verdict.word == "repaired" and made.kept is not None:
        causes = _confirmed(final.causes, made.kept)
        final = replace(final, diagnosis=replace(final.diagnosis, causes=causes))
    skipped = (*made.skipped, *alike(source, trials))
    return Fix(final, made.remedies, made.verdict, made.tried, skipped, made)


def _checked(
    source: Source,
    trials: Trials,
    name: str,
    facts: tuple[tuple[str, str], ...],
    seed: int | None = None,
) -> Report:
    """The pre-flight report of a source, with the start of one seed."""
    with guarded(trials.seeds[0] if seed is None else seed):
        case = replace(ready_case(source, trials, seed=seed), source=name)
    return checked(case, budget_s=trials.deadline.left * CHECKING, facts=facts, tell=trials.tell)


def _failing(
    source: Source,
    trials: Trials,
    before: Report,
    seed: int,
) -> Report:
    """The report of a source that looks sound before training and does not train with a seed.

    `before` is what was measured before training: its line probe knows the better rate.
    """
    first = before.record
    if seed != trials.seeds[0]:
        again = _checked(source, trials, first.source, first.facts, seed)
        if not again.healthy:
            return again
    record = engine.record_of(source, trials, seed)
    return report_of(
        replace(record, source=first.source, facts=first.facts, line=first.line, input=first.input)
    )


def _unparted(report: Report) -> Report:
    """The report with units that start equal and stay so as a finding; else as it is.

    A check leaves them out where the loss falls. A whole layer then learns as one unit, which may
    pass for training; only a net drawn at random shows how far it should get.
    """
    static = report.record.static
    if not any(s.id == EQUAL for s in static):
        return report
    opened = tuple(replace(s, note=False) if s.id == EQUAL else s for s in static)
    return report_of(replace(report.record, static=opened))


def _sound(source: Source, trials: Trials, report: Report, control: tuple[Trial, ...]) -> Fix:
    """Nothing to repair: healthy before training, and trained in every seed."""
    ran = [t for t in control if not t.fault]
    why = f"nothing to repair: healthy before training, and it trains in {len(ran)} of {len(ran)}"
    faults = "; ".join(sorted({t.fault for t in control if t.fault}))
    told = f"{why} seeds" if ran else f"healthy before training; no trial could run: {faults}"
    said = Verdict("not-shown", None, None, trials.seeds, control, why=told)
    made = engine.ended(source, report.record, report.diagnosis, (), trials, said)
    return Fix(report, (), said, (), alike(source, trials), made)


def _possible(remedies: tuple[Remedy, ...], source: Source) -> tuple[Remedy, ...]:
    if source.step is None:
        return remedies
    return tuple(r for r in remedies if not any(e.field in SHAPED for e in r.change))


def _confirmed(causes: tuple[Cause, ...], kept: Remedy) -> tuple[Cause, ...]:
    """Supported causes whose own factor the proven change set; a norm confirms no cause."""
    set_ = {FACTORS[e.field] for e in kept.change if e.field in FACTORS}
    return tuple(
        replace(c, standing="confirmed") if c.standing == "supported" and c.name in set_ else c
        for c in causes
    )


def alike(source: Source, trials: Trials) -> tuple[str, ...]:
    """What is to be told of a build function that two seeds make no different; () else."""
    if source.plan is None and seeded_alike(source, trials.train, trials.seeds):
        return ("two seeds give equal weights: only the batches differ",)
    return ()


def as_arrays(name: str, data: object) -> Arrays:
    """(x, y) or an iterable of such batches as one data set in memory.

    Raises:
        UsageError: not that, or values that are not finite.
    """
    if isinstance(data, Arrays):
        return data
    if isinstance(data, str | PathLike):
        return load(str(data))
    pairs: list[Any] = (
        [data] if _is_pair(data) else list(data) if isinstance(data, Iterable) else []
    )
    if not pairs or not all(_is_pair(p) for p in pairs):
        raise UsageError(f"{name} must be (x, y) tensors or an iterable of such batches")
    x = torch.cat([p[0] for p in pairs])
    x = x if x.dtype in (torch.int32, torch.int64) else x.float()  # whole numbers are tokens
    y = torch.cat([p[1] for p in pairs])
    if not len(x):
        raise UsageError(f"{name} has no samples; give more")
    if len(x) != len(y):
        raise UsageError(f"{name} has {len(x)} inputs and {len(y)} targets; give one a sample")
    if x.is_floating_point():
        finite(name, x)
    whole = not torch.is_floating_point(y)
    return Arrays(name, x, y, int(y.max()) + 1 if whole else 0, False)


def _one(data: object) -> bool:
    """Whether data are no iterable of batches."""
    named = isinstance(data, Arrays | str | PathLike)
    return named or _is_pair(data) or not isinstance(data, Iterable)


def _is_pair(value: object) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == PAIR
        and all(isinstance(v, Tensor) for v in value)
    )
