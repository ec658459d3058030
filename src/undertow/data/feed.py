"""From an order of samples to the micro-batches of each step."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from undertow.data.arrays import Arrays
from undertow.data.order import Order


@dataclass(frozen=True, eq=False)
class Micro:
    """One micro-batch: inputs (N, ...), labels (N, ...), and what mixing made of them.

    Where mixed, the loss is `share` of that to `y` and the rest of that to `other`.
    """

    x: Tensor
    y: Tensor
    other: Tensor | None = None
    share: float = 1.0


@dataclass(frozen=True, eq=False)
class Group:
    """The micro-batches of one optimiser step, and the labels of the step on all ranks."""

    micro: tuple[Micro, ...]
    labels: Tensor


def groups(data: Arrays, order: Order, start: int, end: int) -> Iterator[Group]:
    """The groups of steps `start` to `end` (excluded), whatever was run before."""
    epoch, permutation = -1, None
    for step in range(start, end):
        if permutation is None or step // order.epoch != epoch:
            epoch = step // order.epoch
            permutation = order.permutation(epoch)
        everyone, mine = order.step(step, permutation)
        yield Group(tuple(Micro(data.x[i], data.y[i]) for i in mine), data.y[everyone])
