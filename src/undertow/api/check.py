"""`ut.check`: what a few batches on a copy say before training."""

import time
from collections.abc import Callable
from dataclasses import replace
from os import PathLike
from typing import Any

import torch
from torch import Tensor, nn

from undertow.api.diagnose import report_of
from undertow.api.settings import settings
from undertow.core.finding import Diagnosis
from undertow.core.record import Record
from undertow.data.arrays import load
from undertow.diagnosis.engine import diagnose
from undertow.experiment import counterfactual
from undertow.nn.threads import single_threaded, small
from undertow.preflight import Case, Deadline, guarded, make_case, measure
from undertow.preflight.measure import as_written
from undertow.report.report import Report

__all__ = ["check", "checked"]

Tell = Callable[[str], None]
BATCH = 64  # samples drawn of named data


def check(
    net: nn.Module,
    data: object,
    loss: object = None,
    *,
    step: Callable[[nn.Module, Any], Tensor] | None = None,
    optimizer: object = None,
    clip_norm: float | None = None,
    probe_steps: int = 50,
    counterfactuals: bool = True,
    budget_s: float = 60,
    seed: int = 0,
) -> Report:
    """Whether a network will train, and if not which layer, what and why; before training.

    Network, optimiser, gradients, buffers, modes and random states are as they were afterwards.

    Args:
        net: any module; all is done on copies.
        data: (x, y) tensors are one batch; any other iterable yields batches, the first is taken;
            of a path or a name, as "digits", a batch is drawn.
        loss: a loss word, a criterion or callable(outputs, targets); None is cross-entropy for
            integer targets, mse for floating ones.
        step: (net, batch) -> scalar loss, in place of forward and loss.
        optimizer: an optimiser of the net or (params) -> Optimizer; None: the learning rate is
            not tested.
        clip_norm: the global L2 norm the training clips at.
        probe_steps: steps on one batch, at most.
        counterfactuals: settle the cause of what is found by changing one factor at a time.
        budget_s: seconds for everything; what it cuts is reported as not tested.
        seed: of dropout and of every re-drawn weight.

    Raises:
        UsageError: a module, data or a loss that cannot be run.
    """
    if isinstance(data, str | PathLike):
        data = _batch_of(str(data), seed)
    case = make_case(
        net, data, loss, step=step, optimizer=optimizer, clip_norm=clip_norm, seed=seed
    )
    return checked(
        case, probe_steps=probe_steps, counterfactuals=counterfactuals, budget_s=budget_s
    )


def _batch_of(words: str, seed: int) -> tuple[Tensor, Tensor]:
    """A batch of named data, drawn by seed: files may stand in order of their classes."""
    held = load(words)
    some = torch.randperm(len(held.x), generator=torch.Generator().manual_seed(seed))[:BATCH]
    return held.x[some], held.y[some]


def checked(
    case: Case,
    *,
    probe_steps: int = 50,
    counterfactuals: bool = True,
    budget_s: float = 60,
    facts: tuple[tuple[str, str], ...] = (),
    tell: Tell = lambda _: None,
) -> Report:
    """The report of a case: measured, judged, and where it is sick its factors tested."""
    began, own_settings = time.perf_counter(), settings()
    deadline = Deadline(budget_s)
    with guarded(case.seed), single_threaded(_small(case)), torch.enable_grad():
        tell("measuring")
        record = measure(case, probe_steps=probe_steps, deadline=deadline)
        found = diagnose(record, settings=own_settings)
        if counterfactuals and probe_steps > 0 and not found.healthy and _testable(record, found):
            tests = counterfactual.run(case, record, found, deadline=deadline, progress=tell)
            record = as_written(replace(record, experiments=tests))
    seconds = ("seconds", f"{time.perf_counter() - began:.1f}")
    own = (("batch", str(_size(case))), ("seed", str(case.seed)), seconds)
    return report_of(replace(record, facts=(*record.facts, *facts, *own)), own_settings)


def _testable(record: Record, found: Diagnosis) -> bool:
    """Whether changing the net could say anything: not where labels or head already explain it."""
    return bool(record.snapshots) and found.mechanism not in ("head", "data")


def _small(case: Case) -> bool:
    return case.pair is not None and small(case.net, case.pair[0].numel())


def _size(case: Case) -> int | str:
    return "?" if case.pair is None else len(case.pair[0])
