"""`ut.watch`."""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from torch import nn
from torch.optim import Optimizer

from undertow.api.diagnose import report_of
from undertow.api.settings import settings
from undertow.instrument.watch import Watch
from undertow.nn.loss import CRITERIA, Criterion
from undertow.report.live import on_terminal
from undertow.report.report import Report

__all__ = ["watch"]


def watch(
    net: nn.Module,
    *,
    optimizer: Optimizer | Sequence[Optimizer] | None = None,
    loss: str | Criterion | None = None,
    run: str | Path | None = None,
    budget: float = 0.01,
    every: int | None = None,
    on_finding: Callable[[Report], object] | None = None,
) -> Watch:
    """A context manager around one's own training loop; it changes nothing in it.

    On a terminal the standard error shows one line, and every finding as it comes: what, in which
    layer, since which step. Elsewhere nothing is printed.

    Args:
        net: the module that trains.
        optimizer: one, several, or None: found by their steps.
        loss: a loss word or the criterion; a criterion module is hooked. The exact form is
            `w.loss(value, labels)` every step.
        run: folder to store the run in; None keeps it in memory.
        budget: share of a step's time the watch may cost after its first rows.
        every: steps between layer rows, in place of the budget.
        on_finding: called with the report when there is a finding.
    """
    criterion = CRITERIA.get(loss, loss) if isinstance(loss, str) else loss
    return Watch(
        net,
        optimizer=optimizer,
        loss=criterion,
        run=run,
        budget=budget,
        every=every,
        on_finding=on_finding,
        live=on_terminal(sys.stderr, type(net).__name__),
        judge=partial(report_of, own=settings()),
    )
