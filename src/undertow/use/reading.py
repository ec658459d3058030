"""Data as inputs of an opened net, in batches; files that cannot be read are left out and named."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from undertow.core.errors import UsageError
from undertow.core.inputs import Inputs
from undertow.data.arrays import Arrays
from undertow.data.decode import BadImageError
from undertow.data.pixels import Pixels
from undertow.use.crops import ten
from undertow.use.images import Reader, prepared
from undertow.use.source import Opened


@dataclass(frozen=True, eq=False)
class Batch:
    """Inputs (N·crops, ...), the crops of a sample in a row, and the samples' places."""

    x: Tensor
    index: tuple[int, ...]


@dataclass(eq=False)
class Samples:
    """A data set as a net takes it.

    Attributes:
        data: its inputs sized, cut and scaled as the net says.
        inputs: what the net says; None: tensors are taken as they are.
        crops: of each image, 1 or 10.
        skipped: why files were left out, as found so far.
    """

    data: Arrays
    inputs: Inputs | None
    crops: int = 1
    skipped: list[str] = field(default_factory=list)

    def batches(self, size: int) -> Iterator[Batch]:
        """All samples in their order, `size` at most in a batch; empty batches are left out."""
        x = self.data.x
        for at in range(0, len(x), size):
            places = range(at, min(at + size, len(x)))
            batch = (
                self._images(x, places)
                if isinstance(x, Pixels)
                else Batch(x[places.start : places.stop], tuple(places))
            )
            if batch.index:
                yield batch

    def _images(self, x: Pixels, places: range) -> Batch:
        views, index = [], []
        for at in places:
            try:
                views.append(self._views(x, at))
            except BadImageError as error:
                self.skipped.append(str(error))
            else:
                index.append(at)
        return Batch(x.finish(torch.cat(views)) if views else torch.empty(0), tuple(index))

    def _views(self, x: Pixels, at: int) -> Tensor:
        """The crops of an image, (crops, C, H, W); another never takes the place of a bad one."""
        image = x.source.image(int(x.picks[at]), None)
        if self.crops == 1:
            return x.view(image).unsqueeze(0)
        return ten(image, x.size, x.edge)


def samples(
    opened: Opened, data: Arrays, crops: int = 1, transform: Callable[[Any], Any] | None = None
) -> Samples:
    """The data as the net takes them.

    Args:
        opened: the net and what it says of its inputs.
        data: as loaded, not yet standardised.
        crops: of each image.
        transform: the user's own pipeline, where the net was trained through one.

    Raises:
        UsageError: inputs that nobody has described, or that cannot be brought to the net's.
    """
    images = isinstance(data.x, Pixels)
    if crops > 1 and (not images or transform is not None):
        raise UsageError("10 crops are of image files; give --crops 1 for arrays and pipelines")
    inputs = opened.ready() if images else opened.inputs
    if inputs is None:
        return Samples(data, None)
    return Samples(prepared(data, Reader(inputs, transform)), inputs, crops)
