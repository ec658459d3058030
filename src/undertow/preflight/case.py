"""The thing checked: a net, one probe batch, a loss, an optimiser; copies, seeds, time."""

import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from undertow.core.errors import UsageError
from undertow.core.plan import Plan
from undertow.data.arrays import finite
from undertow.nn.copying import copied
from undertow.nn.loss import Criterion, criterion
from undertow.nn.optimizer import Factory, remake

Step = Callable[[nn.Module, Any], Tensor]
PAIR = 2


class Deadline:
    """Seconds left of a budget, counted from its making."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def over(self) -> bool:
        """Whether the budget is spent."""
        return time.monotonic() >= self._end

    @property
    def left(self) -> float:
        """Seconds left, at least 0."""
        return max(0.0, self._end - time.monotonic())


@contextmanager
def guarded(seed: int) -> Iterator[None]:
    """Random states of python, numpy and torch set by `seed` inside and put back afterwards."""
    numpy = sys.modules.get("numpy")
    python = random.getstate()
    array = numpy.random.get_state() if numpy is not None else None
    with torch.random.fork_rng(enabled=True):
        torch.manual_seed(seed)
        random.seed(seed)
        if numpy is not None:
            numpy.random.seed(seed % 2**32)
        try:
            yield
        finally:
            random.setstate(python)
            if numpy is not None and array is not None:
                numpy.random.set_state(array)


@dataclass(frozen=True, eq=False)
class Case:
    """One thing to check. `net` is pristine: everything runs on `fresh()` copies.

    `batch` is (x, y) unless the user's own `step(net, batch) -> scalar loss` takes it. `optimizer`
    None means the learning rate is not tested. `plan` is known for the zoo's nets only.
    """

    net: nn.Module
    batch: Any
    step: Step
    loss_fn: Criterion | None
    loss: str
    optimizer: Factory | None
    clip_norm: float | None = None
    seed: int = 0
    source: str = ""
    plan: Plan | None = None
    one_shot: bool = False

    @property
    def pair(self) -> tuple[Tensor, Tensor] | None:
        """(x, y) where the batch is that and the loss is ours to call; else None."""
        return self.batch if self.loss_fn is not None else None

    def fresh(self) -> nn.Module:
        """A copy in training mode without gradients.

        Raises:
            UsageError: the module cannot be copied.
        """
        net = copied(self.net)
        net.train()
        net.zero_grad(set_to_none=True)
        return net

    def run(self, net: nn.Module) -> Tensor:
        """The scalar loss of the probe batch; dropout and the like drawn from the case's seed."""
        torch.manual_seed(self.seed)
        return self.step(net, self.batch)


def make_case(
    net: nn.Module,
    data: object,
    loss: object = None,
    *,
    step: Step | None = None,
    optimizer: object = None,
    clip_norm: float | None = None,
    seed: int = 0,
) -> Case:
    """The case of a user's arguments, with exactly one batch taken of an iterable.

    Raises:
        UsageError: no module, no parameters to train, no batch, an unknown loss.
    """
    name = _trainable(net)
    batch, one_shot = _one_batch(data)
    make = None if optimizer is None else remake(optimizer, net)
    call: Criterion | None = None
    word = ""
    if step is None:
        batch = _tensors(batch)
        call, word = criterion(loss, batch[1])
        step = plain_step(call)
    return Case(net, batch, step, call, word, make, clip_norm, seed, name, None, one_shot)


def _trainable(net: object) -> str:
    """The name of a module that could be trained at all."""
    if not isinstance(net, nn.Module):
        raise UsageError(f"{type(net).__name__} is no nn.Module; give a built network")
    name = type(net).__name__
    if not any(p.requires_grad for p in net.parameters()):
        raise UsageError(f"{name} has no trainable parameters; there is nothing that could learn")
    if any(isinstance(p, UninitializedParameter) for p in net.parameters()):
        raise UsageError(f"{name} has lazy layers; run one batch through it first")
    if any(p.is_meta for p in net.parameters()):
        raise UsageError(f"{name} is on the meta device; build it with real weights first")
    broken = [p for p, w in net.named_parameters() if w.is_floating_point() and not _finite(w)]
    if broken:
        more = f" and {len(broken) - 1} more" if broken[1:] else ""
        raise UsageError(
            f"{name} starts with NaN or Inf in {broken[0]}{more}; load or draw its weights anew"
        )
    return name


def _finite(weight: Tensor) -> bool:
    """By one sum, which NaN and Inf poison; a sum that overflows is looked at value by value."""
    w = weight.detach()
    return bool(w.sum().isfinite()) or bool(w.isfinite().all())


def plain_step(call: Criterion) -> Step:
    """`step(net, (x, y))` for a criterion: forward, then the loss of the plain outputs."""

    def step(net: nn.Module, batch: Any) -> Tensor:
        x, y = batch
        return call(logits(net(x)), y)

    return step


def logits(out: Any) -> Any:
    """The main output: the tensor itself, or the `.logits` of a structured one."""
    return getattr(out, "logits", out)


def _one_batch(data: object) -> tuple[Any, bool]:
    if isinstance(data, tuple) and len(data) == PAIR and isinstance(data[0], Tensor):
        return data, False
    if not isinstance(data, Iterable):
        raise UsageError(
            f"data of type {type(data).__name__} cannot be read; give (x, y) tensors or batches"
        )
    walker = iter(data)
    try:
        return next(walker), walker is data
    except StopIteration:
        raise UsageError("data yields no batch; give at least one") from None


def _tensors(batch: Any) -> tuple[Tensor, Tensor]:
    if not isinstance(batch, list | tuple) or len(batch) != PAIR:
        raise UsageError(
            f"a batch of type {type(batch).__name__} is not (x, y); pass step=(net, batch) -> loss"
        )
    x, y = batch
    if not isinstance(x, Tensor) or not isinstance(y, Tensor):
        raise UsageError("a batch must hold two tensors (x, y); pass step=(net, batch) -> loss")
    if len(x) == 0:
        raise UsageError("the batch is empty; give at least two samples")
    if len(x) != len(y):
        raise UsageError(f"the batch holds {len(x)} inputs and {len(y)} targets; give as many")
    for part, values in (("x", x), ("y", y)):
        if values.is_floating_point():
            finite(f"the batch's {part}", values)
    return x, y
