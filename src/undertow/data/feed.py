"""From an order of samples to the micro-batches of each step: read, augmented, mixed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from undertow.core.errors import EnvironmentFaultError, UsageError
from undertow.data.arrays import Arrays
from undertow.data.augment import COLOURS, augmented, generator, words
from undertow.data.order import Order

PATIENCE = 120.0  # seconds a reading process may take for a batch before it counts as dead
AHEAD = 2  # batches each reading process prepares
EVEN = 0.5
CPU = torch.device("cpu")


class Micro(NamedTuple):
    """One micro-batch: inputs (N, ...), labels (N, ...), and what mixing made of them.

    Where mixed, the loss is `share` of that to `y` and the rest of that to `other`.
    """

    x: Tensor
    y: Tensor
    other: Tensor | None = None
    share: float = 1.0

    @property
    def main(self) -> Tensor:
        """The label of each input's larger share, (N, ...): `y` where nothing was mixed."""
        return self.y if self.other is None or self.share >= EVEN else self.other


class Group(NamedTuple):
    """The micro-batches of one optimiser step, and the labels of the step on all ranks."""

    micro: tuple[Micro, ...]
    labels: Tensor


@dataclass(frozen=True, eq=False)
class Feed:
    """How samples are read.

    Attributes:
        data: the training part.
        order: which samples make which step.
        augment: words.
        mixup: α of mixup's Beta(α, α), 0 for none (Zhang et al. 2018).
        cutmix: likewise (Yun et al. 2019); where both are set, one of them is drawn a batch.
        workers: processes that read, 0 for none.
        device: where the batches go.
        channels_last: layout of four-dimensional inputs.
    """

    data: Arrays
    order: Order
    augment: tuple[str, ...] = ()
    mixup: float = 0.0
    cutmix: float = 0.0
    workers: int = 0
    device: torch.device = CPU
    channels_last: bool = False

    @cached_property
    def _here(self) -> bool:
        """Whether batches stay in the memory of the processor."""
        return self.device.type == "cpu"

    def groups(self, start: int, end: int) -> Iterator[Group]:
        """The groups of steps `start` to `end` (excluded), whatever was run before.

        Raises:
            EnvironmentFaultError: a reading process died or was too slow.
        """
        held, y = self._held, self.data.y
        batches = self._batches(start, end) if held is None else iter(())
        for step, everyone, mine in self._plan(start, end):
            micro = []
            for at, part in enumerate(mine):
                x = next(batches) if held is None else held.index_select(0, part)
                micro.append(self._micro(x, y.index_select(0, part), step, at))
            alone = len(mine) == 1 and self.order.world == 1
            yield Group(tuple(micro), micro[0].y if alone else y[everyone].to(self.device))

    def _plan(self, start: int, end: int) -> Iterator[tuple[int, Tensor, tuple[Tensor, ...]]]:
        order, steps = self.order, self.order.epoch
        groups: tuple[Tensor, ...] = ()
        for step in range(start, end):
            epoch, at = divmod(step, steps)
            if at == 0 or step == start:
                groups = order.groups(order.permutation(epoch))
            yield step, *order.parted(groups[at], last=at == steps - 1)

    def _keys(self, start: int, end: int) -> Iterator[list[tuple[int, int]]]:
        """(epoch, place) of every sample, a list a micro-batch."""
        for step, _, mine in self._plan(start, end):
            epoch = step // self.order.epoch
            for part in mine:
                yield [(epoch, at) for at in part.tolist()]

    @property
    def _held(self) -> Tensor | None:
        """Inputs that are taken as they are, a whole batch at once: nothing is read."""
        x = self.data.x
        return x if isinstance(x, Tensor) and not self.augment else None

    def _batches(self, start: int, end: int) -> Iterator[Tensor]:
        reader = _Reader(self.data, self.order.seed, self.augment)
        if not self.workers:
            yield from (reader.batch(keys) for keys in self._keys(start, end))
            return
        loader = DataLoader(
            reader,
            batch_sampler=_Lists(self._keys(start, end)),
            num_workers=self.workers,
            collate_fn=_as_is,
            timeout=PATIENCE,
            prefetch_factor=AHEAD,
            generator=torch.Generator(),  # else it would draw from the global random state
            pin_memory=self.device.type == "cuda",
        )
        try:
            for made, found in loader:
                reader.learn(found)
                yield made
        except RuntimeError as error:
            if isinstance(error, EnvironmentFaultError):
                raise
            raise reading_failed(error) from error

    def _micro(self, x: Tensor, y: Tensor, step: int, at: int) -> Micro:
        """Finished on the device: floats, scaled, laid out, mixed."""
        if not self._here:
            x, y = x.to(self.device, non_blocking=True), y.to(self.device, non_blocking=True)
        if self.channels_last and x.ndim == 4:  # first: bytes are moved faster than floats
            x = x.contiguous(memory_format=torch.channels_last)
        if not isinstance(self.data.x, Tensor):
            x = self.data.x.finish(x)
        made = Micro(x, y)
        if not self.mixup and not self.cutmix:
            return made
        key = [self.order.seed, step, at, self.order.rank]
        return mixed(made, self.mixup, self.cutmix, np.random.default_rng(key))


def reading_failed(error: RuntimeError) -> EnvironmentFaultError:
    """What a user is told of a process that reads samples and died or was too slow."""
    why = str(error).strip(" .")
    return EnvironmentFaultError(
        f"a process that reads samples failed: {why}; resume, with --workers 0 to see why"
    )


def mixed(micro: Micro, mixup: float, cutmix: float, rng: np.random.Generator) -> Micro:
    """A batch mixed with a shuffled copy of itself: inputs blended, or boxes exchanged."""
    order = torch.from_numpy(rng.permutation(len(micro.x)))
    cut = bool(cutmix) and (not mixup or rng.random() < EVEN)
    alpha = cutmix if cut else mixup
    share = float(rng.beta(alpha, alpha))
    other = micro.x[order]
    if not cut:
        return Micro(micro.x * share + other * (1 - share), micro.y, micro.y[order], share)
    height, width = micro.x.shape[2:]
    h, w = round(height * (1 - share) ** 0.5), round(width * (1 - share) ** 0.5)
    top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
    x = micro.x.clone()
    x[..., top : top + h, left : left + w] = other[..., top : top + h, left : left + w]
    return Micro(x, micro.y, micro.y[order], 1 - h * w / (height * width))


def checked(data: Arrays, augment: str | None) -> tuple[str, ...]:
    """The words of augmentation that fit the data.

    Raises:
        UsageError: an unknown word, or one that needs images this data set does not have.
    """
    wanted = words(augment)
    if wanted and len(data.shape) != 3:
        raise UsageError(f"augment={augment!r} needs images (channels, height, width), not vectors")
    coloured = [w for w in wanted if w in COLOURS]
    if coloured and data.shape[0] != 3:
        raise UsageError(
            f"augment={coloured[0]} needs three channels, the data have {data.shape[0]}"
        )
    if coloured and isinstance(data.x, Tensor):
        raise UsageError(
            f"augment={coloured[0]} needs images of 0..255; floats have no known range"
        )
    return wanted


class _Reader(Dataset[Any]):
    """Samples by (epoch, place), read where this is run: here or in a reading process."""

    def __init__(self, data: Arrays, seed: int, augment: tuple[str, ...]) -> None:
        self.x, self.seed, self.augment = data.x, seed, augment

    @property
    def found(self) -> tuple[dict[str, str], ...]:
        """What reading the files has shown: the bad ones, the kinds that were converted."""
        source = getattr(self.x, "source", None)
        return tuple(getattr(source, name, {}) for name in ("bad", "converted"))

    def learn(self, found: Sequence[dict[str, str]]) -> None:
        """Keep what another process has found."""
        for mine, theirs in zip(self.found, found, strict=True):
            for key, value in theirs.items():
                mine.setdefault(key, value)

    def batch(self, keys: Sequence[tuple[int, int]]) -> Tensor:
        """The samples of a micro-batch, not finished."""
        return torch.stack([self._one(epoch, at) for epoch, at in keys])

    def __getitems__(
        self, keys: list[tuple[int, int]]
    ) -> tuple[Tensor, tuple[dict[str, str], ...]]:
        """The same, with what this process has found in the files."""
        return self.batch(keys), self.found

    def _one(self, epoch: int, at: int) -> Tensor:
        if not isinstance(self.x, Tensor):
            return self.x.train(at, epoch, self.seed, self.augment)
        image = self.x[at]
        size = (int(image.shape[1]), int(image.shape[2]))
        return augmented(image, size, self.augment, generator(self.seed, epoch, at))


class _Lists:
    """Keys of batches, handed out once."""

    def __init__(self, keys: Iterator[list[tuple[int, int]]]) -> None:
        self._keys = keys

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        return self._keys


def _as_is(made: Any) -> Any:
    return made
