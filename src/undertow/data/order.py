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
        return self.parted(self.groups(permutation)[at], last=at == self.epoch - 1)

    def groups(self, permutation: Tensor) -> tuple[Tensor, ...]:
        """Every sample of each step of an epoch, in order."""
        whole = self.group * (self.epoch - 1)
        last = permutation[whole : self.used]
        return (*permutation[:whole].split(self.group), last) if whole else (last,)

    def parted(self, everyone: Tensor, *, last: bool) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The samples of a step with this rank's micro-batches of it.

        Args:
            everyone: the step's samples on all ranks.
            last: whether it is the last step of its epoch.
        """
        mine = everyone if self.world == 1 else everyone[self.rank :: self.world]
        count = mine.shape[0]
        if count == self.batch:
            return everyone, (mine,)
        if last and count > self.batch * self.accumulate:
            return everyone, _parts(mine, -(-count // self.accumulate), self.batch)
        return everyone, _parts(mine, self.batch, self.batch)


def _parts(mine: Tensor, size: int, batch: int) -> tuple[Tensor, ...]:
    parts = list(mine.split(size))
    if len(parts) > 1 and len(parts[-1]) < min(LEAST, batch):
        parts[-2:] = [torch.cat(parts[-2:])]
    return tuple(parts)
