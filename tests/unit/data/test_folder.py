"""Class folders and CSV lists; every bad layout is told in words."""

import os
from pathlib import Path

import pytest

from undertow.core.errors import UsageError
from undertow.data.arrays import load
from undertow.data.files import Files
from undertow.data.pixels import Pixels

from .pictures import classes, save


def test_a_folder_of_class_folders(tmp_path: Path) -> None:
    classes(tmp_path, {"dog": 3, "cat": 2}, 20)
    save(tmp_path / "dog" / "deep" / "x.JPG", 20, 20)
    (tmp_path / "dog" / "notes.txt").write_text("none")
    (tmp_path / ".hidden").mkdir()
    data = load(str(tmp_path))
    assert (data.names, data.classes, data.shape) == (("cat", "dog"), 2, (3, 20, 20))
    assert data.y.tolist() == [0, 0, 1, 1, 1, 1]
    assert data.standardise
    assert data.origin == str(tmp_path.resolve())
    assert tuple(data.x[:2].shape) == (2, 3, 20, 20)
    assert isinstance(data.x, Pixels)
    assert isinstance(data.x.source, Files)
    assert data.x.source.keep


def test_train_val_and_test_parts(tmp_path: Path) -> None:
    classes(tmp_path / "train", {"a": 3, "b": 3, "c": 2})
    classes(tmp_path / "val", {"b": 2, "c": 1})
    classes(tmp_path / "test", {"a": 1})
    data = load(str(tmp_path))
    assert len(data.x) == 8
    assert data.validation is not None
    assert data.validation.y.tolist() == [1, 1, 2]  # numbered as in the training part
    assert data.test is not None
    assert data.test.y.tolist() == [0]
    assert data.validation.names == ("a", "b", "c")


def test_sizes_and_channels_are_read_from_headers(tmp_path: Path) -> None:
    for i in range(4):
        save(tmp_path / "grey" / "ab"[i % 2] / f"{i}.png", 28, 28, i, mode="L")
        save(tmp_path / "mixed" / "ab"[i % 2] / f"{i}.png", 28 + i, 28, i, mode="L")
        save(tmp_path / "large" / "ab"[i % 2] / f"{i}.png", 90, 90, i)
    save(tmp_path / "mixed" / "b" / "z.png", 28, 28)
    assert load(str(tmp_path / "grey")).shape == (1, 28, 28)
    assert load(str(tmp_path / "mixed")).shape == (3, 224, 224)
    assert load(str(tmp_path / "large")).shape == (3, 224, 224)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda p: p.mkdir(), "holds no class folders"),
        (lambda p: save(p / "flat.png"), "holds no class folders"),
        (lambda p: classes(p, {"a": 3}), "one class only, a"),
        (lambda p: (classes(p, {"a": 3}), (p / "b").mkdir()), "no images of b"),
        (lambda p: ((p / "a").mkdir(parents=True), (p / "b").mkdir()), "no images in a, b"),
        (
            lambda p: (classes(p / "train", {"a": 2, "b": 2}), classes(p / "val", {"z": 1})),
            "classes the training part lacks: z",
        ),
    ],
)
def test_bad_layouts_are_told(tmp_path: Path, make: object, said: str) -> None:
    make(tmp_path / "d")  # type: ignore[operator]
    with pytest.raises(UsageError, match=said):
        load(str(tmp_path / "d"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir(mode=0)
    with pytest.raises(UsageError, match=r"cannot be read.*check its rights"):
        load(str(tmp_path / "d"))


def test_a_folder_without_the_right_to_list_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: object) -> list[str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "listdir", refused)
    with pytest.raises(UsageError, match=r"cannot be read: Permission denied; check its rights"):
        load(str(tmp_path))


def test_what_is_not_there_or_unknown_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"x\.csv does not exist"):
        load(str(tmp_path / "x.csv"))
    (tmp_path / "x.doc").write_text("?")
    with pytest.raises(UsageError, match=r"x\.doc cannot be read; give digits"):
        load(str(tmp_path / "x.doc"))


def test_a_csv_of_paths_and_labels(tmp_path: Path) -> None:
    classes(tmp_path, {"one": 2, "two": 2})
    rows = "path,label\none/000.png,cat\none/001.png, dog\n\ntwo/000.png,cat\ntwo/001.png,dog\n"
    (tmp_path / "list.csv").write_text(rows)
    data = load(str(tmp_path / "list.csv"))
    assert (data.names, data.y.tolist()) == (("cat", "dog"), [0, 1, 0, 1])
    (tmp_path / "n.csv").write_text("one/000.png,0\none/001.png,2\ntwo/000.png,1\n")
    data = load(str(tmp_path / "n.csv"))
    assert (data.names, data.y.tolist()) == (("0", "1", "2"), [0, 2, 1])


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("a/000.png\n", "line 1: .*give path,label"),
        ("a/000.png,0\nnone.png,1\n", "line 2: none.png does not exist"),
        ("none.png,1\na/000.png,0\n", "line 1: none.png does not exist"),
        ("a/000.png,0\na/001.png,-1\n", "label -1 of a/001.png is negative"),
        ("a/000.png,0\na/001.png,7\n", "label 7 of a/001.png is out of range with 2 rows"),
        ("a/000.png,0.5\na/001.png,1\n", "label 0.5 of a/000.png is no class"),
        ("", "has no rows; give path,label"),
        ("path,label\n", "has no rows; give path,label"),
        ("a/000.png,x\na/001.png,x\n", "one class only, x"),
        ("a/000.png,\xff\na/001.png,x\n", "line 1|cannot be read as CSV"),
    ],
)
def test_bad_rows_are_told(tmp_path: Path, rows: str, said: str) -> None:
    classes(tmp_path, {"a": 2})
    (tmp_path / "l.csv").write_bytes(rows.encode("latin-1"))
    with pytest.raises(UsageError, match=said):
        load(str(tmp_path / "l.csv"))
