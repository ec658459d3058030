"""Batches of any structure, as a user's own step takes them: samples where they can be told."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from undertow.core.errors import UsageError


@dataclass(frozen=True, eq=False)
class Given:
    """Samples (or whole batches) that are indexed like a tensor; an index gives a batch.

    Attributes:
        leaves: tensors (N, ...), one a place of the structure; () where batches stay whole.
        spec: the structure.
        batches: the user's own where they cannot be taken apart.
    """

    leaves: tuple[Tensor, ...]
    spec: Any
    batches: tuple[Any, ...] = ()

    @property
    def shape(self) -> torch.Size:
        """(N,): what a sample holds has no one shape."""
        return torch.Size((len(self),))

    def __len__(self) -> int:
        """Samples, or whole batches."""
        return len(self.batches) or len(self.leaves[0])

    def __getitem__(self, index: Any) -> Any:
        """The batch of an index; a whole one for its first number."""
        if self.batches:
            return self.batches[int(torch.arange(len(self))[index].reshape(-1)[0])]
        return tree_unflatten([leaf[index] for leaf in self.leaves], self.spec)

    def take(self, index: Tensor) -> "Given":
        """Some of the samples or batches."""
        held = tuple(self.batches[i] for i in index.tolist()) if self.batches else ()
        leaves = () if self.batches else tuple(leaf[index] for leaf in self.leaves)
        return Given(leaves, self.spec, held)

    def digest(self) -> bytes:
        """16 bytes of all tensors in it."""
        found = hashlib.sha256()
        for leaf in self.leaves or [t for b in self.batches for t in _tensors(b)]:
            found.update(leaf.detach().cpu().contiguous().numpy().tobytes())
        return found.digest()[:16]


def given(data: Sequence[Any]) -> tuple[Given, int]:
    """A user's batches, and how many samples (1: a whole batch) make one of theirs.

    Raises:
        UsageError: no batch.
    """
    if not data:
        raise UsageError("data yields no batch; give at least two")
    parts = [tree_flatten(batch) for batch in data]
    leaves, spec = parts[0]
    alike = all(own == spec and _like(held, leaves) for held, own in parts)
    if not alike or not leaves or not all(_counted(held) for held, _ in parts):
        return Given((), None, tuple(data)), 1
    whole = tuple(torch.cat([held[i] for held, _ in parts]) for i in range(len(leaves)))
    return Given(whole, spec), len(leaves[0])


def _counted(leaves: Sequence[Any]) -> bool:
    """Whether all parts are tensors of as many samples."""
    tensors = all(isinstance(v, Tensor) and v.ndim for v in leaves)
    return tensors and len({len(v) for v in leaves}) == 1


def _like(leaves: Sequence[Any], first: Sequence[Any]) -> bool:
    return all(
        isinstance(a, Tensor) and isinstance(b, Tensor) and a.shape[1:] == b.shape[1:]
        for a, b in zip(leaves, first, strict=True)
    )


def _tensors(batch: Any) -> list[Tensor]:
    return [v for v in tree_flatten(batch)[0] if isinstance(v, Tensor)]
