"""Checkpoints hold weights without pickle, whole or not at all."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from undertow.core.codec import decode
from undertow.core.errors import EnvironmentFaultError
from undertow.core.plan import Choices, Plan
from undertow.core.run import Evaluation
from undertow.train import checkpoint

PLAN = Plan("mlp", Choices(act="relu"), (("depth", 2),))
FOUND = Evaluation(7, 0.5, 0.25, 10)


def net() -> Any:
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.PReLU(3))


def test_weights_and_buffers_come_back_bit_for_bit(tmp_path: Path) -> None:
    made = net()
    made[0].weight.data = made[0].weight.data.to(memory_format=torch.channels_last)
    path = checkpoint.save(tmp_path, "last", made, PLAN, 7, FOUND)
    held = load_file(path)
    state = made.state_dict()
    assert set(held) == set(state)
    assert all(torch.equal(held[k], state[k]) for k in state)
    assert held["1.num_batches_tracked"].dtype == torch.int64


def test_the_json_says_what_it_is(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, "best", net(), PLAN, 7, FOUND)
    about = json.loads(path.with_suffix(".json").read_text())
    assert (about["version"], about["step"]) == (checkpoint.VERSION, 7)
    assert decode(Plan, about["plan"]) == PLAN
    assert decode(Evaluation, about["evaluation"]) == FOUND
    assert sorted(p.name for p in path.parent.iterdir()) == ["best.json", "best.safetensors"]


def test_tied_weights_are_saved(tmp_path: Path) -> None:
    tied = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    tied[1].weight = tied[0].weight
    path = checkpoint.save(tmp_path, "last", tied, None, 0, None)
    assert set(load_file(path)) == {"0.weight", "0.bias", "1.bias"}  # once
    held, about = checkpoint.load(tmp_path)
    assert about["tied"] == {"1.weight": "0.weight"}
    assert held["1.weight"] is held["0.weight"]


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), SafetensorError("No space left on device")]
)
def test_a_full_disk_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    made = net()
    path = checkpoint.save(tmp_path, "last", made, PLAN, 1, None)
    before = path.read_bytes()

    def full(tensors: dict[str, torch.Tensor], file: Path, metadata: dict[str, str]) -> None:
        file.write_bytes(b"half")
        raise error

    monkeypatch.setattr(checkpoint, "save_file", full)
    with torch.no_grad():
        made[0].weight.zero_()
    with pytest.raises(EnvironmentFaultError, match=r"No space left on device.*one before it is"):
        checkpoint.save(tmp_path, "last", made, PLAN, 2, None)
    assert path.read_bytes() == before
    assert json.loads(path.with_suffix(".json").read_text())["step"] == 1


def test_a_file_in_the_way_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("")
    with pytest.raises(EnvironmentFaultError, match="could not be written"):
        checkpoint.save(tmp_path, "last", net(), None, 0, None)


def test_one_state_under_two_names_and_the_next_one_leaves_the_other_alone(tmp_path: Path) -> None:
    made = net()
    checkpoint.save(tmp_path, "best", made, PLAN, 3, FOUND)
    checkpoint.repeat(tmp_path, "best", "last")
    assert checkpoint.load(tmp_path, "last")[1]["step"] == 3
    checkpoint.save(tmp_path, "last", made, PLAN, 4, FOUND)
    steps = [checkpoint.load(tmp_path, name)[1]["step"] for name in ("best", "last")]
    assert steps == [3, 4]
    assert not list((tmp_path / "checkpoints").glob("*.part"))


def test_two_names_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(file: Path, other: Path) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("os.link", none)
    path = checkpoint.save(tmp_path, "best", net(), PLAN, 3, FOUND)
    checkpoint.repeat(tmp_path, "best", "last")
    assert path.with_name("last.safetensors").read_bytes() == path.read_bytes()
