"""Array data by name: `digits`, `synthetic:CxHxW:CLASSES`, an `.npz` file."""

import hashlib
import os
import re
import zipfile
import zlib
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from undertow.core.errors import UsageError
from undertow.data.items import Items
from undertow.data.pixels import Pixels, Scale

MOST = 8 * 2**30  # bytes: an .npz that unpacks to more is refused unread
SYNTHETIC = re.compile(r"synthetic:(\d+)x(\d+)x(\d+):(\d+)")
SYNTHETIC_SAMPLES = 1024
BATCHES = ("data_batch_1", "train")  # of CIFAR's pickled form: of 10 classes, of 100
READABLE = (
    "digits, synthetic:CxHxW:CLASSES or a .npz file with x and y; or a folder of class folders,"
    " a .csv of path,label, an IDX or CIFAR-binary file"
)


@dataclass(frozen=True, eq=False)
class Arrays:
    """A data set: x (N, ...) float32, y (N,) int64 classes or (N, ...) float32 targets.

    `x` is a tensor, or images or items that become one when they are indexed. `classes` is 0
    where y is not class numbers; `standardise` says whether the source is brought to mean 0 and
    standard deviation 1 unless asked otherwise. `origin` is what `load` reads it from again, from
    any folder; "" for data given as objects. `names` are those of the classes; `validation` and
    `test` are parts the source itself sets aside; `scale` is what `x` was divided by.
    """

    name: str
    x: Tensor | Pixels | Items
    y: Tensor
    classes: int
    standardise: bool
    origin: str = ""
    names: tuple[str, ...] = ()
    validation: "Arrays | None" = None
    test: "Arrays | None" = None
    scale: Scale | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return tuple(self.x.shape[1:])

    @property
    def fingerprint(self) -> str:
        """16 hex digits of the SHA-256 over shapes and bytes of x and y."""
        digest = hashlib.sha256(f"{tuple(self.x.shape)}{tuple(self.y.shape)}".encode())
        x = self.x
        digest.update(x.contiguous().numpy().tobytes() if isinstance(x, Tensor) else x.digest())
        digest.update(self.y.contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def take(self, index: Tensor) -> "Arrays":
        """The samples of an index, (K,) -> K samples."""
        x = self.x[index] if isinstance(self.x, Tensor) else self.x.take(index)
        return replace(self, x=x, y=self.y[index], validation=None, test=None)


def load(source: str) -> Arrays:
    """The data set a user named.

    Raises:
        UsageError: an unknown source, a file that cannot be read, or bad values in it.
    """
    if source == "digits":
        return replace(_digits(), origin=source)
    if found := SYNTHETIC.fullmatch(source):
        c, h, w, k = (int(v) for v in found.groups())
        return replace(_synthetic(source, (c, h, w), k), origin=source)
    path = Path(source)
    if path.suffix == ".npz":
        return replace(_npz(path), origin=str(path.resolve()))
    if not path.exists():
        known = f"data={source!r} cannot be read" if path.suffix == "" else f"{path} does not exist"
        raise UsageError(f"{known}; give {READABLE}")
    return _files(path)


def _files(path: Path) -> Arrays:
    """Image folders, CSV, IDX, CIFAR binaries; their readers are loaded only when one is given."""
    from undertow.data import binary, folder

    if path.is_dir():
        try:
            held = os.listdir(path)
        except OSError as error:
            raise UsageError(
                f"{path} cannot be read: {error.strerror}; check its rights"
            ) from error
        if any(name.endswith(".bin") for name in held):
            return binary.cifar(path)
        for file in (path / name for name in BATCHES if name in held):
            if file.is_file() and binary.is_pickled_cifar(file):
                raise _pickled(file)
        return folder.folder(path)
    if path.suffix.lower() == ".csv":
        return folder.table(path)
    if path.suffix == ".bin":
        return binary.cifar(path)
    if "idx" in path.name or path.name.removesuffix(".gz").endswith("-ubyte"):
        return binary.idx(path)
    if binary.is_pickled_cifar(path) or path.suffix in (".pkl", ".pickle", ".pt", ".pth"):
        raise _pickled(path)
    raise UsageError(f"{path} cannot be read; give {READABLE}")


def _pickled(path: Path) -> UsageError:
    return UsageError(
        f"{path} is pickled, and reading it could run anything; give the binary form of the"
        " same data (for CIFAR: cifar-10-binary.tar.gz), or an .npz file"
    )


def _digits() -> Arrays:
    """scikit-learn's digits: a row an image, 64 values from 0 to 16 and the class."""
    rows = torch.from_numpy(_digits_table().astype(np.float32))
    x = rows[:, :-1].reshape(-1, 1, 8, 8).contiguous()  # -> (1797, 1, 8, 8), 0..16
    return Arrays("digits", x, rows[:, -1].long(), 10, True)


def _digits_table() -> np.ndarray:
    """The file that scikit-learn brings, read without importing it, which takes seconds."""
    home = find_spec("sklearn")
    for root in (home.submodule_search_locations if home else None) or ():
        file = Path(root, "datasets", "data", "digits.csv.gz")
        if file.is_file():
            return np.loadtxt(file, delimiter=",")
    from sklearn.datasets import load_digits  # another version may lay its files out otherwise

    found = load_digits()
    return np.column_stack([found.data, found.target])


def _synthetic(name: str, shape: tuple[int, int, int], classes: int) -> Arrays:
    """One random template a class plus noise of the same size: easy to learn, any shape."""
    if min(*shape, classes) < 1:
        raise UsageError(
            f"data={name!r}: every size must be at least 1, as in synthetic:3x32x32:10"
        )
    g = torch.Generator().manual_seed(0)
    templates = torch.randn(classes, *shape, generator=g)
    y = torch.randint(classes, (SYNTHETIC_SAMPLES,), generator=g)
    noise = torch.randn(SYNTHETIC_SAMPLES, *shape, generator=g)
    return Arrays(name, templates[y] + noise, y, classes, True)


def _npz(path: Path) -> Arrays:
    try:
        with zipfile.ZipFile(path) as packed:
            size = sum(i.file_size for i in packed.infolist())
        if size > MOST:
            raise UsageError(f"{path} unpacks to {size / 2**30:.1f} GiB; the limit is {MOST >> 30}")
        with np.load(path, allow_pickle=False) as held:
            x, y = _pair(path, {k: held[k] for k in held.files})
    except FileNotFoundError as error:
        raise UsageError(f"{path} does not exist; give {READABLE}") from error
    except (OSError, ValueError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        if isinstance(error, UsageError):
            raise
        if "allow_pickle" in str(error):
            raise UsageError(
                f"{path} holds pickled objects, and reading them could run anything; store arrays"
                " of plain numbers"
            ) from error
        raise UsageError(f"{path} is no readable .npz file: {error}") from error
    return arrays(path.name, x, y)


def _pair(path: Path, held: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    for a, b in (("x", "y"), ("X", "y"), ("images", "labels"), ("data", "target")):
        if a in held and b in held:
            return held[a], held[b]
    raise UsageError(f"{path} holds {', '.join(held) or 'nothing'}; it must hold x and y")


def arrays(name: str, x: np.ndarray, y: np.ndarray) -> Arrays:
    """Checked tensors of two arrays; values are kept as given, never rescaled.

    Raises:
        UsageError: lengths differ, nothing in it, not numbers, NaN or infinite, negative classes.
    """
    if not x.ndim or not y.ndim:
        raise UsageError(f"{name}: x and y must be arrays of samples, not single numbers")
    if len(x) != len(y):
        raise UsageError(f"{name}: x holds {len(x)} samples and y {len(y)}; they must be as many")
    if len(x) == 0:
        raise UsageError(f"{name} holds no samples; give at least one")
    if x.dtype.kind not in "fiub" or y.dtype.kind not in "fiub":
        raise UsageError(f"{name}: x is {x.dtype} and y {y.dtype}; both must be numbers")
    floats = torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))
    if floats.ndim == 3:
        floats = floats.unsqueeze(1)
    finite(name, floats)
    if y.dtype.kind == "f":
        targets = torch.from_numpy(np.ascontiguousarray(y, dtype=np.float32))
        finite(f"{name} targets", targets)
        return Arrays(name, floats, targets, 0, False)
    if y.size != len(y):
        raise UsageError(f"{name}: y has shape {y.shape}; class numbers are one a sample")
    labels = torch.from_numpy(np.ascontiguousarray(y, dtype=np.int64)).reshape(len(y))
    if int(labels.min()) < 0:
        raise UsageError(f"{name}: label {int(labels.min())} is negative; classes count from 0")
    return Arrays(name, floats, labels, int(labels.max()) + 1, False)


def finite(name: str, x: Tensor) -> None:
    """Nothing, if all values are finite.

    Raises:
        UsageError: naming the first sample that holds a NaN or an infinity.
    """
    if bool(torch.isfinite(x.sum(dtype=torch.float64))):
        return
    bad = ~torch.isfinite(x.reshape(len(x), -1)).all(1)
    if bool(bad.any()):
        first = int(bad.nonzero()[0, 0])
        raise UsageError(
            f"{name}: sample {first} holds NaN or Inf ({int(bad.sum())} of {len(x)} samples do); "
            "remove or fill these values first"
        )
