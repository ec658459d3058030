"""What a watch can be told, and which of it cannot be taken."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypedDict

from torch import nn
from torch.optim import Optimizer

from undertow.core.errors import UsageError
from undertow.core.record import Cell, Record, Scalars
from undertow.nn.loss import Criterion

BUDGET = 0.01  # share of the step time: the promise of `ut.watch`


class Live(Protocol):
    """What shows a training while it runs."""

    def step(self, scalars: Scalars, const_loss: Cell) -> None:
        """A step is over; `const_loss` is the constant answer's, None where not known."""

    def judged(self, found: Any) -> None:
        """The run was judged."""

    def close(self) -> None:
        """The training is over."""


class Options(TypedDict, total=False):
    """What a watch can be told; the words of `ut.watch`, and `head`.

    Attributes:
        optimizer: one, several, or None: every optimiser that holds parameters of the net.
        loss: the criterion (a module is hooked) or its word (then only `loss()` tells the value).
        run: folder to store the run in; None keeps it in memory.
        budget: share of a step's time that sampling may cost after step 100 (.01).
        every: steps between layer rows, in place of the start plan and the budget.
        on_finding: called with the judgement when there is a new finding.
        head: what is known of the run beforehand (plan, source, facts).
        start: the step from which the run in the folder goes on; None is a new run.
        tapped: every loss is told by `tap`, as `backward` is called on it (`undertow run`).
        live: shows every step and judgement; None shows nothing.
        told: the loop calls `loss` after every step taken, with its scalars, so no other source is
            listened to, and the optimiser, which must be given, is hooked on sampled steps only.
    """

    optimizer: Optimizer | Sequence[Optimizer] | None
    loss: Criterion | str | None
    run: str | Path | None
    budget: float
    every: int | None
    on_finding: Callable[[Any], object] | None
    head: Record | None
    start: int | None
    tapped: bool
    live: Live | None
    told: bool


def verify(net: object, budget: float, every: int | None) -> None:
    """Pass what a watch can use.

    Raises:
        UsageError: no module, one on `meta`, or a budget or interval that is not positive.
    """
    if not isinstance(net, nn.Module):
        raise UsageError(f"net is a {type(net).__name__}; give the torch.nn.Module that trains")
    if any(p.is_meta for p in net.parameters()):
        raise UsageError(
            f"{type(net).__name__} is on the meta device, where nothing can be measured; build it "
            "with real weights first"
        )
    if not 0 < budget <= 1:
        raise UsageError(f"budget={budget} is no share of a step's time; give 0.01 for 1 %")
    if every is not None and every < 1:
        raise UsageError(f"every={every} is no number of steps; give 1 or more, or None")
