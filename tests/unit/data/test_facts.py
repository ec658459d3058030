"""What a data set holds is found: balance, kinds, bad files, duplicates within and across."""

import shutil
from pathlib import Path

import pytest
import torch

from undertow.data.arrays import Arrays, load
from undertow.data.facts import copies_across, describe, imbalance

from .pictures import classes, save


def test_everything_planted_is_found(tmp_path: Path) -> None:
    classes(tmp_path / "train", {"a": 40, "b": 3, "c": 1})
    save(tmp_path / "val" / "b" / "x.png", 24, 24, 99)
    save(tmp_path / "val" / "b" / "y.png", 24, 24, 98)
    shutil.copy(tmp_path / "train" / "a" / "001.png", tmp_path / "val" / "b" / "copy.png")
    shutil.copy(tmp_path / "train" / "a" / "002.png", tmp_path / "train" / "a" / "again.png")
    save(tmp_path / "train" / "b" / "grey.jpg", 30, 60, mode="L")
    (tmp_path / "train" / "b" / "bad.png").write_text("text")
    found = describe(load(str(tmp_path)))
    train, val = found.parts
    assert (train.name, train.counts, val.counts) == ("training", (41, 5, 1), (0, 3, 0))
    assert train.sides == (24, 60)
    assert dict(train.kinds) == {"PNG RGB": 45, "JPEG L": 1}
    assert [name for name, _ in train.bad] == ["b/bad.png"]
    assert ("training/a/001.png", "validation/b/copy.png") in found.across
    assert ("training/a/002.png", "training/a/again.png") in found.duplicates
    assert any("41 times" in n for n in found.notes)
    assert any("one sample only of c" in n for n in found.notes)
    data = load(str(tmp_path))
    assert data.validation is not None
    assert copies_across(data, data.validation) == 1


def test_arrays_are_described_too() -> None:
    part = describe(load("digits")).parts[0]
    assert (part.samples, part.low, part.high) == (1797, 0.0, 16.0)
    assert sum(part.counts) == 1797
    data = Arrays("x", torch.zeros(11, 1), torch.tensor([0] * 10 + [1]), 2, False)
    assert imbalance(data.y, 2) == pytest.approx(10)
