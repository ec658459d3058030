"""A sweep of learning rates on a copy: where the loss falls fastest (Smith 2017, sec. 3.3)."""

import copy
import math
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer

from undertow.core.errors import UsageError
from undertow.data.feed import Group
from undertow.nn.optimizer import remake
from undertow.train.loop import How, Step, walk

LOW, HIGH, STEPS = 1e-7, 10.0, 100  # the rates of the first group, and how many
SMOOTH = 0.1  # weight of the newest loss
WORSE = 4.0  # times the best smoothed loss that ends the sweep
LEAST = 10  # steps below which nothing can be read from the curve
WIDE = 8  # steps over which a fall is measured: half a decade, or noise decides
FLAT = 0.02  # share of the first loss that must be gained somewhere


@dataclass(frozen=True, slots=True)
class Rates:
    """What a sweep found. `steepest` and `tenth` are None where `why` says so.

    `tenth` is a tenth of the rate of the lowest loss; `curve` holds (rate, loss, smoothed loss).
    """

    steepest: float | None
    tenth: float | None
    curve: tuple[tuple[float, float, float], ...]
    why: str = ""


def find_rate(
    net: nn.Module,
    optimizer: Optimizer,
    groups: Iterable[Group],
    how: How,
    *,
    steps: int = STEPS,
) -> Rates:
    """The rates of a geometric sweep; net, optimiser and random states stay as they are.

    Args:
        net: trained further, or fresh; frozen parts stay frozen. A copy is swept.
        optimizer: of the net; every group's rate keeps its ratio to the first one's.
        groups: of the training part, from its start.
        how: as in training.
        steps: of the sweep.

    Raises:
        UsageError: fewer than 2 steps.
    """
    if steps < 2:
        raise UsageError(f"steps={steps} is no sweep; give {STEPS}")
    with _untouched():
        trial = copy.deepcopy(net)
        made = remake(optimizer, net)(trial.parameters())
        first = float(made.param_groups[0]["lr"]) or 1.0
        for group in made.param_groups:
            group["lr"] = group["initial_lr"] = float(group["lr"]) / first
        rates = [LOW * (HIGH / LOW) ** (i / (steps - 1)) for i in range(steps)]
        swept = _copied(how, rates)
        curve = tuple(_sweep(walk(trial, made, groups, swept), rates))
    return _read(curve)


def _copied(how: How, rates: list[float]) -> How:
    return replace(
        how, factor=lambda step: rates[min(step, len(rates) - 1)], forward=None, aux_weight=0.0
    )


def _sweep(steps: Iterator[Step], rates: list[float]) -> Iterator[tuple[float, float, float]]:
    best, mean, corrected = math.inf, 0.0, 0.0
    for i, (rate, done) in enumerate(zip(rates, steps, strict=False), 1):
        loss = float(done.loss)
        if not math.isfinite(loss):
            yield rate, loss, loss
            return
        mean += SMOOTH * (loss - mean)
        corrected = mean / (1 - (1 - SMOOTH) ** i)  # as Adam's: no start at 0
        yield rate, loss, corrected
        best = min(best, corrected)
        if corrected > WORSE * best:
            return


def _read(curve: tuple[tuple[float, float, float], ...]) -> Rates:
    finite = [point for point in curve if math.isfinite(point[2])]
    if len(finite) < len(curve) and len(finite) < LEAST:
        return Rates(None, None, curve, f"diverges at once: {curve[-1][1]} at {curve[-1][0]:.1e}")
    if len(finite) < LEAST:
        return Rates(None, None, curve, f"too few batches: {len(finite)} steps, give {LEAST}")
    start, low = finite[0][2], min(finite, key=lambda point: point[2])
    if start - low[2] < FLAT * abs(start):
        return Rates(None, None, curve, "flat: no rate lowers the loss")
    ends = range(WIDE, finite.index(low) + 1)
    falls = [(finite[i][2] - finite[i - WIDE][2], finite[i - WIDE // 2][0]) for i in ends]
    return Rates(min(falls)[1] if falls else low[0] / 10, low[0] / 10, curve)


@contextmanager
def _untouched() -> Iterator[None]:
    """Python's, numpy's and torch's random states are put back, whatever happens inside."""
    python, array = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng():
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(array)  # noqa: NPY002
