"""Data as a user gives them, and `undertow data`: what was found in a source."""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, RandomSampler, SequentialSampler

from undertow.api.repair import as_arrays
from undertow.core.errors import UsageError
from undertow.data.arrays import Arrays, load
from undertow.data.facts import Found
from undertow.data.facts import describe as described
from undertow.data.files import Files
from undertow.data.items import Items, as_tensor, labels
from undertow.data.pixels import Pixels

__all__ = ["Found", "as_data", "describe", "with_files"]


def describe(source: "str | os.PathLike[str]") -> Found:
    """What a data source holds: every image is decoded once, every file hashed at most once.

    Raises:
        UsageError: the source cannot be read at all.
    """
    return described(load(os.fspath(source)))


def as_data(data: object) -> Arrays:
    """Objects as data: tensors, a Dataset with a length, a DataLoader, an iterable of batches.

    A data set is read item by item, in an order of ours, so that a run resumes exactly; so is a
    DataLoader's where its sampler and collation are the usual ones. Anything else is read once.

    Raises:
        UsageError: none of these.
    """
    if isinstance(data, DataLoader) and _usual(data):
        data = data.dataset
    mapped = isinstance(data, Dataset) and not isinstance(data, IterableDataset)
    if mapped and hasattr(data, "__len__"):
        return _items(data)
    return as_arrays("data", data)


def _usual(loader: "DataLoader[Any]") -> bool:
    plain = isinstance(loader.sampler, RandomSampler | SequentialSampler)
    own = getattr(loader.collate_fn, "__module__", "").startswith("torch.")
    return plain and own and loader.batch_size is not None and hasattr(loader.dataset, "__len__")


def _items(dataset: Any) -> Arrays:
    import torch

    if not len(dataset):
        raise UsageError("the data set is empty; give at least one sample")
    y = labels(dataset)
    first = as_tensor(dataset[0][0])
    x = Items(dataset, torch.arange(len(dataset)), tuple(first.shape))
    whole = not torch.is_floating_point(y)
    if whole and int(y.min()) < 0:
        bad = int((y < 0).nonzero()[0, 0])
        raise UsageError(f"item {bad} has label {int(y[bad])}; classes count from 0")
    return Arrays(type(dataset).__name__, x, y, int(y.max()) + 1 if whole else 0, False)


def with_files(data: Arrays, strict: bool, transform: Callable[[Any], Any] | None = None) -> Arrays:
    """The same image files, read strictly or through a user's own pipeline.

    Raises:
        UsageError: a pipeline for data that are no image files.
    """
    if not isinstance(data.x, Pixels) or not isinstance(data.x.source, Files):
        if transform is not None:
            raise UsageError("transform= takes images; these data are no image files")
        return data
    parts: dict[str, Any] = {
        name: with_files(part, strict, transform)
        for name, part in (("validation", data.validation), ("test", data.test))
        if part is not None
    }
    files = replace(data.x.source, strict=strict, pictures=transform is not None, bad={})
    x = replace(data.x, source=files, transform=transform)
    if transform is not None:
        shape = as_shape(transform, files)
        x = replace(x, channels=shape[0], size=shape[1:])
    standardise = data.standardise and transform is None
    return replace(data, x=x, standardise=standardise, **parts)


def as_shape(transform: Callable[[Any], Any], files: Files) -> tuple[Any, ...]:
    """The shape a pipeline makes of the first image.

    Raises:
        UsageError: it makes no (C, H, W) tensor.
    """
    made = transform(files.image(0, None))
    if not isinstance(made, Tensor) or made.ndim != 3:
        raise UsageError(f"transform returns {type(made).__name__}; it must return (C, H, W)")
    return tuple(made.shape)
