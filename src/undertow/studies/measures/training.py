"""A short training of a cell's net: the same batches for every arm of a seed."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from undertow.core.errors import UsageError
from undertow.core.plan import Edit
from undertow.data.arrays import Arrays
from undertow.data.split import batches
from undertow.nn.loss import Criterion
from undertow.nn.optimizer import from_choices
from undertow.preflight import guarded
from undertow.studies.measures import nets, start
from undertow.studies.study import Cell
from undertow.train.loop import evaluate, penalties, rate_factor, re_estimate, steps

TAIL = 0.1  # share of the steps whose mean training loss is judged
CAP = 2.0  # a loss this many times that of guessing, or not finite, counts as this
RE_ESTIMATE = 20  # batches over which norms are averaged again before the held-back accuracy
NEVER = 30.0  # epochs: "never" in a search for the first epoch at the target
LOOKS = 4  # times an epoch that the target is looked for
TARGET = 0.95  # training accuracy that is waited for


@dataclass(frozen=True, eq=False)
class Trained:
    """A net after its steps. `bad` is the first step whose loss was not finite, None: none."""

    net: nn.Module
    losses: tuple[float, ...]
    norms: tuple[float, ...]
    bad: int | None
    classes: int

    @property
    def loss(self) -> float:
        """Mean training loss of the last tenth over that of guessing, at most 2."""
        tail = self.losses[-max(1, round(TAIL * len(self.losses))) :]
        mean = sum(tail) / len(tail) / math.log(self.classes)
        return CAP if self.bad is not None or not math.isfinite(mean) else min(CAP, mean)


def train(cell: Cell, model: nn.Module, data: Arrays, loss: Criterion = F.cross_entropy) -> Trained:
    """Train `model` in place for the cell's steps by the cell's choices."""
    choices = cell.plan.train
    optimizer = from_choices(choices, [p for p in model.parameters() if p.requires_grad])
    order = batches(data, choices.batch, cell.seed, cell.steps)
    losses, norms, bad = [], [], None

    def factor(step: int) -> float:
        return rate_factor(choices, step, cell.steps)

    with guarded(cell.seed):
        for scalars, _, _ in steps(model, optimizer, order, loss, penalties(choices), factor):
            value = math.inf if scalars.loss is None else scalars.loss
            losses.append(value)
            norms.append(scalars.grad_norm or 0.0)
            if not math.isfinite(value) or not math.isfinite(norms[-1]):
                bad = scalars.step
                break
    return Trained(model, tuple(losses), tuple(norms), bad, data.classes)


def accuracy(trained: Trained, data: Arrays, held: Arrays, cell: Cell) -> float:
    """Share of held-back samples right; of chance where the training was not finite."""
    if trained.bad is not None:
        return 1 / held.classes
    re_estimate(trained.net, batches(data, cell.plan.train.batch, cell.seed, RE_ESTIMATE))
    found = evaluate(trained.net, held, F.cross_entropy)
    if found.accuracy is None or not math.isfinite(found.loss):
        return 1 / held.classes
    return found.accuracy


def outcome(cell: Cell) -> dict[str, float | tuple[float, ...]]:
    """`accuracy` held back, `loss` over guessing, `lasted`: share of the steps that were finite."""
    data, held = nets.split(cell)
    return judged(cell, nets.net(cell, data.shape), data, held)


def judged(
    cell: Cell, model: nn.Module, data: Arrays, held: Arrays
) -> dict[str, float | tuple[float, ...]]:
    """The outcome of training one net."""
    found = train(cell, model, data)
    return {
        "accuracy": accuracy(found, data, held, cell),
        "loss": found.loss,
        "lasted": 1.0 if found.bad is None else found.bad / cell.steps,
        "curve": found.losses,
    }


def with_start(cell: Cell) -> dict[str, float | tuple[float, ...]]:
    """Statistics of the start (`start.gradient`), then the outcome of the training."""
    first = start.gradient(cell)
    return {**first, **outcome(cell)}


def best_rate(cell: Cell) -> dict[str, float | tuple[float, ...]]:
    """The outcome at the best of the arm's `rates` (by training loss), which `rate` names.

    Each activation has its own best rate: at one common rate a comparison measures the rate.
    """
    data, held = nets.split(cell)
    found = []
    for rate in rates(cell):
        one = at_rate(cell, rate)
        made = judged(one, nets.net(one, data.shape), data, held)
        found.append((made["loss"], {**made, "rate": rate}))
    return min(found, key=lambda pair: _number(pair[0]))[1]


def _number(value: float | tuple[float, ...]) -> float:
    return math.inf if isinstance(value, tuple) else value


RATES = (0.01, 0.03, 0.1, 0.3, 1.0)  # SGD with momentum .9: half decades


def rates(cell: Cell) -> tuple[float, ...]:
    """The rates searched for every arm: the middle three where `few` is set."""
    return RATES[1:4] if cell.get("few") else RATES


def at_rate(cell: Cell, rate: float) -> Cell:
    """The cell at another learning rate."""
    return replace(cell, plan=cell.plan.edit([Edit("lr", rate)]))


def epochs_to_target(
    cell: Cell, make: Callable[[tuple[int, ...]], nn.Module]
) -> dict[str, float | tuple[float, ...]]:
    """`epochs` until 95 % of the training data are right, at the best of the rates.

    Args:
        cell: its steps bound the search; NEVER where no rate reaches the target.
        make: a fresh net for inputs of a shape, the same at every rate.
    """
    data, _ = nets.split(cell)
    found = {rate: _epochs(at_rate(cell, rate), make(data.shape), data) for rate in rates(cell)}
    best = min(found, key=found.__getitem__)
    return {"epochs": found[best], "rate": best, "all": tuple(found.values())}


def _epochs(cell: Cell, model: nn.Module, data: Arrays) -> float:
    optimizer = from_choices(cell.plan.train, model.parameters())
    size = cell.plan.train.batch
    each = len(data.x) // size
    look = max(1, each // LOOKS)
    order = batches(data, size, cell.seed, cell.steps)
    with guarded(cell.seed):
        walk = steps(model, optimizer, order, F.cross_entropy, penalties(cell.plan.train))
        for done, (scalars, _, _) in zip(count(1), walk, strict=False):
            if scalars.loss is None or not math.isfinite(scalars.loss):
                return NEVER
            if done % look == 0 and _reached(model, data):
                return done / each
    return NEVER


@torch.no_grad()
def _reached(model: nn.Module, data: Arrays) -> bool:
    """Whether the target is met; a lean `right_share` for a small net that is asked often."""
    model.eval()
    right = model(nets.images(data)).argmax(1) == data.y
    model.train()
    return int(right.sum()) >= TARGET * len(right)


@torch.no_grad()
def right_share(model: nn.Module, data: Arrays) -> float | None:
    """Share of the samples right."""
    return evaluate(model, data, F.cross_entropy).accuracy


@torch.no_grad()
def outputs(model: nn.Module, x: Tensor, layers: tuple[nn.Module, ...]) -> list[Tensor]:
    """What each of the layers put out on `x`, in the order of the layers.

    Raises:
        UsageError: a layer was not called.
    """
    seen: dict[int, Tensor] = {}
    handles = [
        m.register_forward_hook(lambda m, _, out: seen.__setitem__(id(m), out)) for m in layers
    ]
    try:
        model(x)
    finally:
        for handle in handles:
            handle.remove()
    if any(id(m) not in seen for m in layers):
        raise UsageError("a layer of the study's net was not called")
    return [seen[id(m)] for m in layers]
