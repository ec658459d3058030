"""IDX and CIFAR binaries against bytes written by hand; pickles are refused."""

import gzip
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from undertow.core.errors import UsageError
from undertow.data.arrays import load

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(256, size=(5, 6, 7), dtype=np.uint8)
LABELS = np.array([3, 0, 1, 3, 2], dtype=np.uint8)


def idx(values: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, values.ndim]) + b"".join(n.to_bytes(4, "big") for n in values.shape)
    return head + values.tobytes()


@pytest.mark.parametrize("packed", [False, True])
def test_idx_images_with_their_labels(tmp_path: Path, packed: bool) -> None:
    suffix, pack = (".gz", gzip.compress) if packed else ("", bytes)
    path = tmp_path / f"train-images-idx3-ubyte{suffix}"
    path.write_bytes(pack(idx(IMAGES)))
    (tmp_path / f"train-labels-idx1-ubyte{suffix}").write_bytes(pack(idx(LABELS)))
    data = load(str(path))
    assert (data.shape, data.classes, data.y.tolist()) == ((1, 6, 7), 4, LABELS.tolist())
    assert torch.equal(data.x[:][:, 0], torch.from_numpy(IMAGES).float() / 255)


def test_bad_idx_files_are_told(tmp_path: Path) -> None:
    path = tmp_path / "t-images-idx3-ubyte"
    labels = tmp_path / "t-labels-idx1-ubyte"
    path.write_bytes(idx(IMAGES))
    with pytest.raises(UsageError, match="needs its labels beside it, as t-labels-idx1-ubyte"):
        load(str(path))
    labels.write_bytes(idx(LABELS[:4]))
    with pytest.raises(UsageError, match="5 images and 4 labels"):
        load(str(path))
    labels.write_bytes(idx(LABELS)[:-1])
    with pytest.raises(UsageError, match="is cut: 4 of 5 bytes"):
        load(str(path))
    path.write_bytes(b"\x00\x00\x08\x03" + b"\x7f\xff\xff\xff" * 3)
    with pytest.raises(UsageError, match="the limit is 8 GiB"):
        load(str(path))
    path.write_bytes(b"no idx")
    with pytest.raises(UsageError, match="is no IDX file"):
        load(str(path))


def cifar10(count: int, seed: int) -> tuple[bytes, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.integers(256, size=(count, 3, 32, 32), dtype=np.uint8)
    y = rng.integers(10, size=count, dtype=np.uint8)
    return b"".join(bytes([v]) + i.tobytes() for i, v in zip(x, y, strict=True)), x, y


def test_cifar_binaries_alone_and_in_a_folder(tmp_path: Path) -> None:
    one, x1, y1 = cifar10(4, 1)
    two, x2, y2 = cifar10(3, 2)
    test, xt, yt = cifar10(2, 3)
    for name, held in (("data_batch_1", one), ("data_batch_2", two), ("test_batch", test)):
        (tmp_path / f"{name}.bin").write_bytes(held)
    data = load(str(tmp_path / "data_batch_1.bin"))
    assert torch.equal(data.x[:], torch.from_numpy(x1).float() / 255)
    assert data.y.tolist() == y1.tolist()
    every = load(str(tmp_path))
    assert every.y.tolist() == [*y1.tolist(), *y2.tolist()]
    assert torch.equal(every.x[5], torch.from_numpy(x2[1]).float() / 255)
    assert every.test is not None
    assert every.test.y.tolist() == yt.tolist()
    assert torch.equal(every.test.x[0], torch.from_numpy(xt[0]).float() / 255)


def test_cifar_100_takes_the_fine_label(tmp_path: Path) -> None:
    x = RNG.integers(256, size=(2, 3072), dtype=np.uint8)
    held = b"".join(bytes([c, f]) + i.tobytes() for c, f, i in ((19, 77, x[0]), (3, 5, x[1])))
    (tmp_path / "train.bin").write_bytes(held)
    assert load(str(tmp_path / "train.bin")).y.tolist() == [77, 5]


@pytest.mark.parametrize("name", ["data_batch_1", "train"])
def test_a_folder_of_the_pickled_form_gets_the_same_advice(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"\x80\x04")
    with pytest.raises(UsageError, match=rf"{name} is pickled.*cifar-10-binary"):
        load(str(tmp_path))


def test_cut_and_pickled_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "data_batch_1.bin").write_bytes(b"\x00" * 5000)
    with pytest.raises(UsageError, match="no whole number of CIFAR images"):
        load(str(tmp_path / "data_batch_1.bin"))
    for name in ("data_batch_1", "x.pkl"):
        (tmp_path / name).write_bytes(pickle.dumps({"data": [1]}))
        with pytest.raises(UsageError, match=r"is pickled.*cifar-10-binary"):
            load(str(tmp_path / name))
