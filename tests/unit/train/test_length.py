"""A run that goes on is as long as was typed last; where nothing is left to train it says so."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.command import run
from undertow.api.train import train
from undertow.core.errors import UsageError
from undertow.record.store import read_run

SMALL: dict[str, Any] = {"batch": 32, "depth": 2, "width": 8, "lr": 0.05}
DATA = "synthetic:1x4x4:2"
RUN = "run"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / RUN


def steps_of(made: Any) -> int:
    return len(made.metrics)


def test_epochs_extend_a_run_made_by_steps_and_the_other_way_round(folder: Path) -> None:
    epoch = steps_of(train("mlp", DATA, run=folder, epochs=1, **SMALL))
    assert epoch > 2
    assert steps_of(train(resume=folder, steps=epoch + 2)) == epoch + 2
    assert steps_of(train(resume=folder, epochs=3)) == 3 * epoch
    assert steps_of(train(resume=folder, epochs=9, steps=3 * epoch + 1)) == 3 * epoch + 1
    plan = read_run(folder).plan
    assert plan is not None
    assert (plan.train.epochs, plan.train.steps) == (9, 3 * epoch + 1)


def test_the_usual_number_of_epochs_counts_where_it_is_typed(folder: Path) -> None:
    epoch = steps_of(train("mlp", DATA, run=folder, steps=2, **SMALL))
    assert epoch == 2
    made = train(resume=folder, epochs=10)
    assert steps_of(made) % 10 == 0
    assert steps_of(made) > 10
    assert steps_of(train(resume=folder)) == steps_of(made)


def test_an_extended_run_is_the_one_that_was_long_from_the_start(folder: Path) -> None:
    train("mlp", DATA, run=folder, steps=3, **SMALL)
    short = train(resume=folder, steps=7)
    whole = train("mlp", DATA, run=folder.parent / "whole", steps=7, **SMALL)
    assert [m.loss for m in short.metrics] == pytest.approx([m.loss for m in whole.metrics])


def test_fewer_steps_than_were_taken_are_refused_and_nothing_changes(folder: Path) -> None:
    train("mlp", DATA, run=folder, steps=5, **SMALL)
    before = (folder / "run.json").read_bytes()
    with pytest.raises(UsageError, match="has taken 5 steps, 3 steps in all are fewer"):
        train(resume=folder, steps=3)
    assert (folder / "run.json").read_bytes() == before


def test_a_complete_run_says_that_nothing_is_trained_and_keeps_its_report(folder: Path) -> None:
    train("mlp", DATA, run=folder, steps=5, **SMALL)
    before = read_run(folder)
    again = train(resume=folder)
    assert any("nothing to train" in note and "5 steps" in note for note in again.notes)
    assert steps_of(again) == 5
    after = read_run(folder)
    assert (after.const_loss, after.input) == (before.const_loss, before.input)
    assert (after.layers, after.notes) == (before.layers, before.notes)


def test_a_sitting_too_short_to_be_sampled_keeps_what_was_measured(folder: Path) -> None:
    train("mlp", DATA, run=folder, steps=5, **SMALL)
    before = read_run(folder)
    assert before.const_loss is not None
    train(resume=folder, steps=7)  # steps 5 and 6 are not sampled
    after = read_run(folder)
    assert after.const_loss is not None
    assert (after.input.shape, after.layers) == (before.input.shape, before.layers)
    assert after.notes == ()


@pytest.mark.parametrize(("schedule", "told"), [("cosine", True), ("constant", False)])
def test_a_schedule_over_the_whole_length_is_said_to_jump(
    folder: Path, schedule: str, told: bool
) -> None:
    train("mlp", DATA, run=folder, steps=3, schedule=schedule, **SMALL)
    notes = train(resume=folder, steps=5).notes
    assert any("it was 3: the schedule" in note for note in notes) is told


def test_the_command_line_says_it_also_when_quiet(folder: Path) -> None:
    words = ["--data", DATA, "--depth", "2", "--steps", "2", "--run", str(folder), "-q"]
    run("train", "mlp", *words)
    done = run("train", "--resume", str(folder), "-q")
    assert done.out.startswith(str(folder))
    assert "nothing to train" in done.err
    refused = run("train", "--resume", str(folder), "--steps", "1", "-q")
    assert refused.code == 2
    assert "epochs and steps count from the start" in refused.err
