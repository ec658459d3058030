"""Loggers are told what evaluations find, are closed once, and cost no training when they fail."""

import csv
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.command import run
from undertow.api.train import train
from undertow.core.errors import EnvironmentFaultError, UndertowError, UsageError
from undertow.record.store import read_run
from undertow.train.loggers import Loggers

SMALL: dict[str, Any] = {"batch": 32, "depth": 2, "width": 8, "evaluate_every": 2, "lr": 0.05}
DATA = "synthetic:1x4x4:2"


class Own:
    """Two methods, all kept."""

    def __init__(self, breaks: int = 99) -> None:
        self.told: list[tuple[int, dict[str, float]]] = []
        self.closed, self._breaks = 0, breaks

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Keep them, or fail at a step."""
        if step >= self._breaks:
            raise OSError("no route to host")
        self.told.append((step, values))

    def close(self) -> None:
        """Count it."""
        self.closed += 1


def test_an_object_with_two_methods_is_told_each_evaluation(tmp_path: Path) -> None:
    own = Own()
    made = train("mlp", DATA, run=tmp_path / "r", steps=5, loggers=own, **SMALL)
    assert [step for step, _ in own.told] == [2, 4, 5] == [e.step for e in made.evaluations]
    assert own.closed == 1
    held = [values["held/loss"] for _, values in own.told]
    assert held == [e.loss for e in made.evaluations]
    _, second = own.told[1]
    losses = [m.loss for m in made.metrics[2:4] if m.loss is not None]
    assert second["train/loss"] == pytest.approx(sum(losses) / 2)
    assert second["train/lr"] == made.metrics[3].lr
    assert len(second) == 6


def test_accuracy_on_mixed_inputs_passes_nowhere_for_plain_accuracy(tmp_path: Path) -> None:
    own, home = Own(), tmp_path / "r"
    made = train("mlp", DATA, run=home, steps=4, mixup=0.4, loggers=[own, "csv"], **SMALL)
    shares = [m.mixed_accuracy for m in made.metrics if m.mixed_accuracy is not None]
    assert len(shares) == 4
    assert {m.accuracy for m in made.metrics} == {None}
    _, first = own.told[0]
    assert first["train/mixed_accuracy"] == pytest.approx(sum(shares[:2]) / 2)
    assert "train/accuracy" not in first
    with (home / "scalars.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[0]["train/mixed_accuracy"]) == pytest.approx(sum(shares[:2]) / 2, rel=1e-5)
    assert "train/accuracy" not in rows[0]
    stored = read_run(home)
    assert [m.mixed_accuracy for m in stored.metrics] == pytest.approx(shares, rel=1e-5)
    assert "mixed inputs" in stored.notes[0]
    assert "main label of mixed inputs" in (home / "report.html").read_text(encoding="utf-8")


def test_a_logger_that_raises_is_dropped_with_one_warning(tmp_path: Path) -> None:
    bad, good = Own(breaks=4), Own()
    with pytest.warns(UserWarning, match="logger Own raised OSError: no route") as said:
        made = train("mlp", DATA, run=tmp_path / "r", steps=6, loggers=[bad, "csv", good], **SMALL)
    assert len(said) == 1
    assert [step for step, _ in bad.told] == [2]
    assert [step for step, _ in good.told] == [2, 4, 6]
    assert (len(made.metrics), bad.closed, good.closed) == (6, 0, 1)


def test_the_csv_of_a_resumed_run_has_every_evaluation_once(tmp_path: Path) -> None:
    home = tmp_path / "r"
    train("mlp", DATA, run=home, epochs=1, loggers="csv", **SMALL)
    with (home / "scalars.csv").open("a", newline="") as file:  # as a kill behind it leaves it
        csv.writer(file).writerow([999, "", "", "", "", "1", "1"])
    again = train(resume=home, epochs=2, loggers="csv")
    with (home / "scalars.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [e.step for e in again.evaluations]
    assert float(rows[-1]["held/loss"]) == pytest.approx(again.evaluations[-1].loss, rel=1e-5)


def test_what_is_no_logger_is_refused_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="choose tensorboard, csv or none"):
        Loggers("tensorbord", tmp_path)
    with pytest.raises(UsageError, match="has not the methods scalars"):
        Loggers([object()], tmp_path)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(UndertowError, match=r"pip install undertow\[interop\]") as told:
        train("mlp", DATA, run=tmp_path / "r", steps=1, loggers="tensorboard", **SMALL)
    assert isinstance(told.value, EnvironmentFaultError)
    assert not (tmp_path / "r").exists()


def test_the_command_line_takes_words(tmp_path: Path) -> None:
    words = ["--data", DATA, "--depth", "2", "--steps", "2", "--run", str(tmp_path / "r"), "-q"]
    run("train", "mlp", *words, "--loggers", "csv")
    assert (tmp_path / "r" / "scalars.csv").read_text().startswith("step,train/loss")


def test_tensorboard_reads_what_is_written(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed (extra: interop)")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    made = train("mlp", DATA, run=tmp_path / "r", steps=4, **SMALL)
    read = EventAccumulator(str(tmp_path / "r" / "tensorboard"))
    read.Reload()
    found = [(e.step, e.value) for e in read.Scalars("held/loss")]
    assert found == [(e.step, pytest.approx(e.loss)) for e in made.evaluations]
