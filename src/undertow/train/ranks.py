"""The processes a training is spread over: torchrun's ranks, or this one alone."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class Ranks:
    """This process among `world`; alone where world is 1.

    Attributes:
        rank: of this process; rank 0 alone records, prints and saves.
        world: processes.
        gather: adds a tensor over all processes.
        apart: makes the context in which gradients are not averaged yet.
        wrap: net -> what is called in its place, so that gradients are averaged.
    """

    rank: int = 0
    world: int = 1
    gather: Callable[[Tensor], Tensor] = lambda numbers: numbers
    apart: Callable[[], AbstractContextManager[object]] = nullcontext
    wrap: Callable[[nn.Module], nn.Module] = lambda net: net

    @property
    def first(self) -> bool:
        """Whether this process records, prints and saves."""
        return self.rank == 0


ALONE = Ranks()
