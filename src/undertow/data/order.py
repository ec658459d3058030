"""Which samples make which step: a pure function of (seed, epoch), the same on every rank."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

LEAST = 2  # samples of a micro-batch: batch norm cannot train on one


@dataclass(frozen=True, eq=False)
class Order:
    """The steps of every epoch over `samples`, in groups of batch × accumulate × world.

    A permutation an epoch; rank r takes r::world of each group. The last group of an epoch is
    short; one too small to be a step of its own joins the group before. At most world − 1
    samples an epoch are left out, so that every rank has as many.

    Attributes:
        samples: of the training part.
        batch: samples of a micro-batch on one rank.
        seed: of the permutations.
        accumulate: micro-batches of one step.
        rank: of this process.
        world: processes.
        weights: relative odds of each sample (drawn with replacement); None draws each once.
    """

    samples: int
    batch: int
    seed: int
    accumulate: int = 1
    rank: int = 0
    world: int = 1
    weights: Tensor | None = None

    @cached_property
    def group(self) -> int:
        """Samples of a whole step, over all ranks."""
        return self.batch * self.accumulate * self.world

    @cached_property
    def used(self) -> int:
        """Samples of one epoch: all, but for those that would leave the ranks unequal."""
        return max(self.world, self.samples - self.samples % self.world)

    @cached_property
    def epoch(self) -> int:
        """Steps of one epoch, at least 1."""
        whole, rest = divmod(self.used, self.group)
        return max(1, whole + (rest >= min(LEAST, self.batch) * self.world))

    def permutation(self, epoch: int) -> Tensor:
        """The samples of an epoch in order, (used,)."""
        g = torch.Generator().manual_seed((self.seed + 1) * 1_000_003 + epoch)
        if self.weights is not None:
            return torch.multinomial(self.weights, self.used, replacement=True, generator=g)
        order = torch.randperm(self.samples, generator=g)
        return order[torch.arange(self.used) % self.samples]

    def step(self, step: int, permutation: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """(every sample of a step, this rank's micro-batches of it).

        Args:
            step: counted from the start of the training.
            permutation: of its epoch.
        """
        at = step % self.epoch
        end = self.used if at == self.epoch - 1 else (at + 1) * self.group
        everyone = permutation[at * self.group : end]
        mine = everyone if self.world == 1 else everyone[self.rank :: self.world]
        if at == self.epoch - 1 and len(mine) > self.batch * self.accumulate:
            return everyone, _parts(mine, -(-len(mine) // self.accumulate), self.batch)
        if len(mine) == self.batch:
            return everyone, (mine,)
        return everyone, _parts(mine, self.batch, self.batch)


def _parts(mine: Tensor, size: int, batch: int) -> tuple[Tensor, ...]:
    parts = list(mine.split(size))
    if len(parts) > 1 and len(parts[-1]) < min(LEAST, batch):
        parts[-2:] = [torch.cat(parts[-2:])]
    return tuple(parts)
