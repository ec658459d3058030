"""The journal: memory always, a folder where one was asked for."""

from pathlib import Path

import pytest

from undertow.core.errors import EnvironmentFaultError
from undertow.core.record import Column, Layer, Record, Scalars, Snapshot
from undertow.instrument.journal import Journal
from undertow.record.store import RunWriter, read_events, read_extra, read_run, read_units

SNAP = Snapshot(0, (Column("dead", (0.5,)),))


def test_memory_and_folder_agree(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "run", pytest.fail)
    journal.open(Record())
    journal.add(Scalars(0, loss=1.0), SNAP)
    journal.add(Scalars(1, loss=0.5), None)
    journal.head(Record(const_loss=2.0, layers=(Layer("a", "Linear", 0),)))
    journal.units(0, {"a": (1,)})
    journal.event("note", {"x": 1})
    journal.close()
    back = read_run(tmp_path / "run")
    assert back.metrics == tuple(journal.metrics)
    assert back.snapshots == tuple(journal.snapshots) == (SNAP,)
    assert back.const_loss == 2.0
    assert back.layers[0].path == "a"
    assert read_units(tmp_path / "run") == [(0, {"a": (1,)})]
    assert read_events(tmp_path / "run") == [("note", {"x": 1})]
    assert set(read_extra(tmp_path / "run")["versions"]) == {"torch", "python"}


def test_files_are_replaced_only_where_something_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "run", pytest.fail)
    journal.open(Record())
    written = []
    monkeypatch.setattr(RunWriter, "set_head", lambda _, r: written.append("head"))
    monkeypatch.setattr(RunWriter, "layers", lambda _, r: written.append("layers"))
    one, two = Record(layers=(Layer("a", "Linear", 0),)), Record(const_loss=1.0)
    for record in (one, one, two, two):
        journal.head(record)
    assert written == ["layers", "head", "layers", "head"]
    journal.close()


def test_without_a_folder_nothing_is_written() -> None:
    journal = Journal(None, pytest.fail)
    journal.open(Record())
    journal.add(Scalars(0), SNAP)
    journal.event("note", {})
    journal.close()
    assert not journal.stored
    assert journal.snapshots == [SNAP]


def test_a_folder_that_fails_is_noted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    journal = Journal(tmp_path / "run", notes.append)
    journal.open(Record())

    def fail(*_: object) -> None:
        raise EnvironmentFaultError("the disk is full")

    monkeypatch.setattr(RunWriter, "event", fail)
    journal.event("note", {})
    journal.event("note", {})
    journal.add(Scalars(0), None)
    assert notes == ["no longer stored: the disk is full"]
    assert len(journal.metrics) == 1


def test_rows_of_the_sitting_before_stand_until_new_ones_are_seen(tmp_path: Path) -> None:
    rows = (Layer("a", "Linear", 0, weight_std=0.5), Layer("head", "Linear", 1))
    first = Journal(tmp_path / "run", pytest.fail)
    first.open(Record())
    first.head(Record(layers=rows))
    first.add(Scalars(0, loss=1.0), None)
    first.close()
    again = Journal(tmp_path / "run", pytest.fail, start=1)
    again.go_on()
    assert again.as_first_seen(()) == rows
    assert again.as_first_seen((Layer("a", "Linear", 0, weight_std=0.1),)) == rows[:1]
