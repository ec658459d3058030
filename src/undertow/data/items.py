"""A user's own map-style data set in the form of a tensor that is made when it is asked for."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from undertow.core.errors import UsageError

PAIR = 2


@dataclass(frozen=True, eq=False)
class Items:
    """The inputs of `dataset[i] -> (x, y)`, as they are; read anew at every use.

    Attributes:
        dataset: has a length and takes indices.
        picks: which of its items, (N,).
        inner: the shape of one input.
    """

    dataset: Any
    picks: Tensor
    inner: tuple[int, ...]

    @property
    def shape(self) -> torch.Size:
        """(N, ...)."""
        return torch.Size((len(self.picks), *self.inner))

    @property
    def ndim(self) -> int:
        """Axes, the samples' own included."""
        return len(self.shape)

    def __len__(self) -> int:
        """How many items."""
        return len(self.picks)

    def __getitem__(self, index: Any) -> Tensor:
        """Inputs (K, ...), or one of them for a number."""
        if isinstance(index, int):
            return self[[index]][0]
        found = torch.arange(len(self))[index].tolist()
        return torch.stack([self.train(at, 0, 0, ()) for at in found])

    def take(self, index: Tensor) -> "Items":
        """Some of the items."""
        return replace(self, picks=self.picks[index])

    def train(self, at: int, epoch: int, seed: int, wanted: Sequence[str]) -> Tensor:
        """The input at a place; what augments it is the data set's own.

        Raises:
            UsageError: its shape is not that of the first one.
        """
        index = int(self.picks[at])
        x = as_tensor(self.dataset[index][0])
        if tuple(x.shape) != self.inner:
            raise UsageError(
                f"item {index} has shape {tuple(x.shape)}, the first {self.inner};"
                " bring all to one size in the data set"
            )
        return x

    def finish(self, x: Tensor) -> Tensor:
        """The inputs themselves: they are taken as they are."""
        return x

    def digest(self) -> bytes:
        """16 bytes of the count and the choice; the items may differ at every reading."""
        text = f"{type(self.dataset).__name__} {len(self.dataset)}".encode()
        return hashlib.sha256(text + self.picks.numpy().tobytes()).digest()[:16]


def as_tensor(x: Any) -> Tensor:
    """A tensor, array or Pillow image as float32; bytes of pixels (uint8) become 0..1.

    Raises:
        UsageError: something else.
    """
    if not isinstance(x, Tensor):
        array = np.array(x)
        if array.dtype.kind not in "fiub":
            raise UsageError(f"an input is a {type(x).__name__}; give tensors, arrays or images")
        picture = not isinstance(x, np.ndarray) and array.ndim >= PAIR
        x = torch.from_numpy(array)
        if picture:
            x = x.unsqueeze(0) if x.ndim == PAIR else x.permute(2, 0, 1)
    made: Tensor = x.float().div_(255) if x.dtype == torch.uint8 else x.float()
    return made


def labels(dataset: Any) -> Tensor:
    """Every label of a map-style data set: its `targets` where it has them, else by one pass.

    Raises:
        UsageError: an item is no (x, y), or a label no number.
    """
    held = getattr(dataset, "targets", None)
    if held is None or len(held) != len(dataset):
        held = [_label(dataset[i], i) for i in range(len(dataset))]
    found = torch.as_tensor(np.asarray([np.asarray(v) for v in held]))
    kept: Tensor = found.float() if found.is_floating_point() else found.long()
    return kept


def _label(item: Any, index: int) -> Any:
    if not isinstance(item, tuple | list) or len(item) != PAIR:
        raise UsageError(f"item {index} of the data set is no (x, y) pair")
    return item[1]
