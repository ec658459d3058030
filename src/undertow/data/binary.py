"""IDX and CIFAR-binary files: the original forms of MNIST-like sets and of CIFAR."""

import gzip
import math
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from undertow.core.errors import UsageError
from undertow.data.arrays import Arrays
from undertow.data.pixels import Memory, Pixels

MOST = 8 * 2**30  # bytes of an unpacked file
TYPES = {8: np.uint8, 9: np.int8, 11: np.int16, 12: np.int32, 13: np.float32, 14: np.float64}
ROW10, ROW100, SHAPE = 3073, 3074, (3, 32, 32)  # label(s), then 3072 pixels by channel
PICKLED = ("data_batch", "test_batch", "train", "test", "meta")


def idx(path: Path) -> Arrays:
    """Images of an IDX file (also .gz), its labels from the file beside it.

    `train-images-idx3-ubyte` takes `train-labels-idx1-ubyte`; in general "images" in the name is
    replaced by "labels" and "idx3" by "idx1".

    Raises:
        UsageError: not IDX, cut, or no labels beside it.
    """
    x = _idx(path)
    beside = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1"))
    if beside == path or not beside.is_file():
        raise UsageError(f"{path} needs its labels beside it, as {beside.name}; put them there")
    y = _idx(beside)
    if x.ndim not in (3, 4) or x.dtype != np.uint8 or y.ndim != 1:
        raise UsageError(f"{path} holds {x.dtype} of {x.shape}; give uint8 images (N, H, W)")
    images = torch.from_numpy(x).unsqueeze(1) if x.ndim == 3 else torch.from_numpy(x)
    return _data(path, images, y)


def cifar(path: Path) -> Arrays:
    """A CIFAR-10 or CIFAR-100 binary file, or a folder of them (`data_batch_1.bin`, ...).

    A folder's `test_batch.bin` or `test.bin` is kept aside as the test part.

    Raises:
        UsageError: the pickled form, or a size that is no whole number of images.
    """
    if path.is_dir():
        files = sorted(p for p in path.glob("*.bin") if not p.name.startswith("test"))
        tests = sorted(path.glob("test*.bin"))
        if not files:
            raise UsageError(f"{path} holds no .bin file for training; give data_batch_1.bin, ...")
        parts = [_cifar(p) for p in files]
        data = _data(path, torch.cat([x for x, _ in parts]), np.concatenate([y for _, y in parts]))
        if not tests:
            return data
        x, y = _cifar(tests[0])
        return replace(data, test=replace(_data(tests[0], x, y), classes=data.classes))
    return _data(path, *_cifar(path))


def is_pickled_cifar(path: Path) -> bool:
    """Whether a file is of CIFAR's "python" form, which only unpickling could read."""
    with path.open("rb") as held:
        return held.read(2)[:1] == b"\x80" and path.name.startswith(PICKLED)


def _cifar(path: Path) -> tuple[torch.Tensor, np.ndarray]:
    size = path.stat().st_size
    if size > MOST:
        raise UsageError(f"{path} has {size / 2**30:.1f} GiB; the limit is {MOST >> 30}")
    row = ROW10 if size % ROW10 == 0 else ROW100
    if size == 0 or size % row:
        raise UsageError(f"{path} has {size} bytes, no whole number of CIFAR images; get it again")
    held = np.fromfile(path, dtype=np.uint8).reshape(-1, row)
    labels = held[:, row - ROW10].astype(np.int64)  # of CIFAR-100 the fine label, the second
    return torch.from_numpy(held[:, row - 3072 :].copy()).view(-1, *SHAPE), labels


def _idx(path: Path) -> np.ndarray:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as held:
            zero, kind, dims = int.from_bytes(held.read(2), "big"), *held.read(2)
            if zero or kind not in TYPES or not 1 <= dims <= 4:
                raise UsageError(f"{path} is no IDX file: its first four bytes are none")
            shape = tuple(int.from_bytes(held.read(4), "big") for _ in range(dims))
            dtype = np.dtype(TYPES[kind]).newbyteorder(">")
            size = math.prod(shape) * dtype.itemsize
            if size > MOST:
                raise UsageError(f"{path} says it holds {shape}; the limit is {MOST >> 30} GiB")
            body = held.read(size)
    except (OSError, EOFError, zlib.error, ValueError, TypeError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{path} cannot be read as IDX: {error}") from error
    if len(body) != size:
        raise UsageError(f"{path} is cut: {len(body)} of {size} bytes of {shape}; get it again")
    return np.frombuffer(body, dtype).reshape(shape).astype(dtype.newbyteorder("="))


def _data(path: Path, images: torch.Tensor, y: np.ndarray) -> Arrays:
    if len(images) != len(y) or not len(y):
        raise UsageError(f"{path}: {len(images)} images and {len(y)} labels; they must be as many")
    labels = torch.from_numpy(np.ascontiguousarray(y, dtype=np.int64))
    low, classes = int(labels.min()), int(labels.max()) + 1
    if low < 0:
        raise UsageError(f"{path}: label {low} is negative; classes count from 0")
    held = Memory(images, tuple(labels.tolist()))
    size = (int(images.shape[2]), int(images.shape[3]))
    x = Pixels(held, torch.arange(len(images)), int(images.shape[1]), size)
    return Arrays(path.name, x, labels, classes, True, str(path.resolve()))
