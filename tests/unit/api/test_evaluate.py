"""`ut.evaluate` of a run: the figures its training ended with, from the checkpoint alone."""

import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

import undertow as ut
from undertow.core.run import Run
from undertow.report.scores import Scores


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    made: Run = ut.train("mlp", "digits", epochs=2, lr=0.1, depth=2, width=16,
                         run=tmp_path_factory.mktemp("run") / "r")  # fmt: skip
    return made


def test_a_run_gives_what_its_training_ended_with(run: Run) -> None:
    found, best = ut.evaluate(run), run.best
    assert best is not None
    assert found.accuracy == pytest.approx(best.accuracy)
    assert found.mean_loss == pytest.approx(best.loss, rel=1e-5)
    assert found.balanced == pytest.approx(best.balanced)
    assert (found.n, found.part) == (best.samples, "held-back")


def test_scores_are_frozen_data(run: Run) -> None:
    found = ut.evaluate(run.folder)
    assert found == ut.evaluate(run.folder, "digits")
    assert pickle.loads(pickle.dumps(found)) == found
    assert Scores.from_json(found.to_json()) == found
    assert hash(found) == hash(Scores.from_json(found.to_json()))


def test_the_file_of_a_run_is_the_run(run: Run) -> None:
    file = run.folder / "checkpoints" / "best.safetensors"
    assert ut.evaluate(file).confusion == ut.evaluate(run).confusion


def test_tensors_for_a_module() -> None:
    x = torch.eye(4)
    found = ut.evaluate(nn.Identity(), (x * 9, torch.arange(4)))
    assert found.accuracy == 1.0
    assert found.part == "all"


def test_what_is_missing_is_asked_for(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ut.UndertowError, match="give --data"):
        ut.evaluate(nn.Identity())
    with pytest.raises(ut.UndertowError, match="give --weights"):
        ut.evaluate("resnet18", "digits")
    with pytest.raises(ut.UndertowError, match="no run folder"):
        ut.evaluate(tmp_path / "nothing", "digits")
    with pytest.raises(ut.UndertowError, match="are no inputs of 1x8x8"):
        ut.evaluate(run, "synthetic:3x8x8:10")


def test_code_is_evaluated_as_it_builds_the_net(tmp_path: Path) -> None:
    code = tmp_path / "own.py"
    code.write_text("from torch import nn\n\ndef build():\n    return nn.Identity()\n")
    found = ut.evaluate(f"{code}:build", (torch.eye(3) * 9, torch.arange(3)))
    assert found.accuracy == 1.0
    assert "as its code builds it" in found.notes[0]
