"""Finished cells on disk: every digit, any number, damaged lines skipped."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from undertow.core.errors import EnvironmentFaultError
from undertow.studies.store import Cells, key

from .toy import TOY


def test_numbers_come_back_as_they_were(tmp_path: Path) -> None:
    values = {"a": 143667240.0, "b": math.inf, "c": -math.inf, "d": (0.1, math.nan), "e": 1e-300}
    Cells(tmp_path, "toy").keep("k", values)
    found = Cells(tmp_path, "toy").get("k")
    assert found is not None
    assert {n: found[n] for n in "abce"} == {n: values[n] for n in "abce"}
    pair = found["d"]
    assert isinstance(pair, tuple)
    assert pair[0] == 0.1
    assert math.isnan(pair[1])


def test_damaged_lines_are_skipped(tmp_path: Path) -> None:
    Cells(tmp_path, "toy").keep("k", {"a": 1.0})
    file = tmp_path / "toy.jsonl"
    file.write_text("[]\n{}\nnonsense\n" + file.read_text() + '{"key": "x", "val')
    cells = Cells(tmp_path, "toy")
    assert cells.get("k") == {"a": 1.0}
    assert cells.get("x") is None


def test_a_cell_kept_behind_a_line_cut_by_a_kill_is_found_again(tmp_path: Path) -> None:
    (tmp_path / "toy.jsonl").write_text('{"key": "x", "val')
    cells = Cells(tmp_path, "toy")
    cells.keep("k", {"a": 1.0})
    cells.keep("l", {"a": 2.0})
    again = Cells(tmp_path, "toy")
    assert (again.get("k"), again.get("l")) == ({"a": 1.0}, {"a": 2.0})


def test_without_a_folder_nothing_is_written(tmp_path: Path) -> None:
    cells = Cells(None, "toy")
    cells.keep("k", {"a": 1.0})
    assert cells.get("k") == {"a": 1.0}
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    with pytest.raises(EnvironmentFaultError, match="cannot be written"):
        Cells(tmp_path / "f", "toy").keep("k", {"a": 1.0})


def test_the_key_is_of_all_that_decides_the_numbers() -> None:
    cell = TOY.cell(TOY.vary[0], 0)
    keys = {
        key(TOY, cell),
        key(TOY, TOY.cell(TOY.vary[0], 1)),
        key(TOY, TOY.cell(TOY.vary[1], 0)),
        key(TOY, replace(cell, steps=5)),
        key(TOY, replace(cell, data="digits")),
    }
    assert len(keys) == 5
    assert key(TOY, cell) == key(replace(TOY, question="another"), cell)
