"""Data by name: digits, templates, .npz files; bad files and values told in words."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from undertow.core.errors import UsageError
from undertow.data import arrays as module
from undertow.data.arrays import arrays, load


def stored(folder: Path, **held: Any) -> str:
    path = folder / "data.npz"
    np.savez(path, **held)
    return str(path)


X = np.arange(24, dtype=np.float32).reshape(6, 4)
Y = np.array([0, 1, 2, 0, 1, 2])


def test_digits_are_those_of_scikit_learn() -> None:
    data = load("digits")
    assert tuple(data.x.shape) == (1797, 1, 8, 8)
    assert data.shape == (1, 8, 8)
    assert (float(data.x[:].min()), float(data.x[:].max())) == (0.0, 16.0)
    assert data.y.bincount().tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert data.classes == 10
    assert data.standardise
    given = load_digits()
    assert torch.equal(data.x[:].squeeze(1), torch.from_numpy(given.images).float())
    assert data.y.tolist() == given.target.tolist()


def test_digits_without_their_file_are_asked_of_scikit_learn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    other, data = module._digits(), load("digits")
    assert torch.equal(other.x[:], data.x[:])
    assert other.y.tolist() == data.y.tolist()


def test_synthetic_data_are_a_template_a_class_and_noise() -> None:
    one, two = load("synthetic:2x5x4:3"), load("synthetic:2x5x4:3")
    assert tuple(one.x.shape) == (1024, 2, 5, 4)
    assert one.classes == 3
    assert set(one.y.tolist()) == {0, 1, 2}
    assert one.fingerprint == two.fingerprint
    means = torch.stack([one.x[one.y == c].mean(0) for c in range(3)])
    rest = (one.x[:] - means[one.y]).std()
    assert float(rest) == pytest.approx(1.0, abs=0.02)
    nearest = (one.x[:, None] - means[None]).square().sum((2, 3, 4)).argmin(1)
    assert float((nearest == one.y).float().mean()) > 0.99


def test_a_fingerprint_sees_one_value_and_one_label() -> None:
    data = arrays("a", X.copy(), Y)
    other = X.copy()
    other[5, 3] += 1
    assert arrays("a", other, Y).fingerprint != data.fingerprint
    assert arrays("a", X.copy(), Y[::-1].copy()).fingerprint != data.fingerprint
    assert arrays("b", X.copy(), Y).fingerprint == data.fingerprint
    assert data.take(torch.arange(6)).fingerprint == data.fingerprint


@pytest.mark.parametrize(
    "names", [("x", "y"), ("X", "y"), ("images", "labels"), ("data", "target")]
)
def test_an_npz_file_is_read_under_any_usual_names(tmp_path: Path, names: tuple[str, str]) -> None:
    data = load(stored(tmp_path, **{names[0]: X.astype(np.uint8), names[1]: Y}))
    assert torch.equal(data.x[:], torch.from_numpy(X))
    assert torch.equal(data.y, torch.from_numpy(Y))
    assert (data.classes, data.standardise, data.name) == (3, False, "data.npz")


def test_images_without_channels_get_one_and_floats_are_targets() -> None:
    assert arrays("a", X.reshape(6, 2, 2), Y).shape == (1, 2, 2)
    regression = arrays("a", X, X[:, 0])
    assert (regression.classes, regression.y.dtype) == (0, torch.float32)
    assert torch.equal(arrays("a", X, Y[:, None]).y, torch.from_numpy(Y))


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        (X[:5], Y, "x holds 5 samples and y 6"),
        (X[:0], Y[:0], "holds no samples"),
        (X.astype(str), Y, "must be numbers"),
        (X.astype(complex), Y, "must be numbers"),
        (X, Y - 1, "label -1 is negative"),
        (X, np.eye(6, 3, dtype=int), "class numbers are one a sample"),
        (np.float32(3), Y, "not single numbers"),
        (np.where(X == 9, np.nan, X), Y, r"sample 2 holds NaN or Inf \(1 of 6 samples do\)"),
        (np.where(X > 15, np.inf, X), Y, r"sample 4 holds NaN or Inf \(2 of 6"),
        (X, np.where(X[:, 0] > 3, np.nan, X[:, 0]), "targets: sample 1 holds NaN"),
    ],
)
def test_bad_values_are_told_in_words(x: np.ndarray, y: np.ndarray, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        arrays("mine", np.asarray(x), y)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("digist", "data='digist' cannot be read; give digits, synthetic:CxHxW:CLASSES or a .npz"),
        ("synthetic:3x8:2", "cannot be read"),
        ("synthetic:0x8x8:2", "every size must be at least 1"),
        ("nowhere.npz", "nowhere.npz does not exist"),
    ],
)
def test_a_source_that_is_none_is_told_in_words(source: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        load(source)


def test_a_file_with_other_names_says_which_it_has(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds a, b; it must hold x and y"):
        load(stored(tmp_path, a=X, b=Y))


def test_pickled_objects_are_refused_unread(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds pickled objects.*plain numbers"):
        load(stored(tmp_path, x=np.array([{}, []], dtype=object), y=Y[:2]))


@pytest.mark.parametrize("keep", [0, 30, 200])
def test_a_cut_file_is_told_in_words(tmp_path: Path, keep: int) -> None:
    path = Path(stored(tmp_path, x=X, y=Y))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UsageError, match="is no readable"):
        load(str(path))


def test_damaged_bytes_are_told_in_words(tmp_path: Path) -> None:
    path = tmp_path / "packed.npz"
    np.savez_compressed(path, x=X, y=Y)
    held = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as packed:
        start = packed.infolist()[0].header_offset + 40
    for at in range(start, start + 60):
        held[at] ^= 0x5A
    path.write_bytes(bytes(held))
    with pytest.raises(UsageError, match=r"is no readable|must hold x and y"):
        load(str(path))


def test_a_file_that_unpacks_to_too_much_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST", 100)
    with pytest.raises(UsageError, match=r"unpacks to .* GiB; the limit is"):
        load(stored(tmp_path, x=X, y=Y))
