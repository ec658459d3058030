"""`ut.train` on what people have: folders, data sets, one unit; resumed, refused, told."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset

from tests.unit.data.pictures import classes
from undertow.api.data import as_data, describe
from undertow.api.evaluate import evaluate
from undertow.api.prepare import fitted
from undertow.api.train import train
from undertow.core.errors import UsageError
from undertow.core.record import Scalars
from undertow.data.arrays import Arrays, load
from undertow.data.items import Items
from undertow.train import checkpoint

SMALL: dict[str, Any] = {"depth": 2, "width": 8, "batch": 8, "lr": 0.05}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)


def weights(folder: Path) -> dict[str, Tensor]:
    return checkpoint.weights(checkpoint.load(folder)[0])


def equal(one: Path, two: Path) -> bool:
    a, b = weights(one), weights(two)
    return all(torch.equal(a[k], b[k]) for k in a)


class Address:
    """A path that is neither a word nor a `Path`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __fspath__(self) -> str:
        return str(self._path)


@pytest.mark.parametrize("kind", [Path, Address])
def test_a_path_is_as_good_as_its_words(kind: Callable[[Path], Any], tmp_path: Path) -> None:
    photos, given = classes(tmp_path / "photos", {"a": 6, "b": 6}, 12), {**SMALL, "steps": 2}
    for name, data in (("typed", str(photos)), ("given", kind(photos))):
        run = train("conv", data, run=kind(tmp_path / name), auto_fix="ask", **given)
        assert run.folder == tmp_path / name
    assert equal(tmp_path / "typed", tmp_path / "given")
    about = checkpoint.load(tmp_path / "given")[1]
    assert about["asked"]["data"] == str(photos)
    again = train(resume=kind(tmp_path / "given"), data=kind(photos), steps=2)
    assert len(again.metrics) == 2
    assert evaluate(kind(tmp_path / "given"), kind(photos)).n > 0
    assert describe(kind(photos)).classes == ("a", "b")


def test_a_folder_of_pictures_trains_and_goes_on_exactly(tmp_path: Path) -> None:
    classes(tmp_path / "photos", {"a": 12, "b": 12, "c": 12}, 20)
    (tmp_path / "photos" / "a" / "003.png").write_bytes(b"broken")
    given: dict[str, Any] = {
        **SMALL,
        "augment": "resized-crop,flip,jitter,erase",
        "mixup": 0.2,
        "ema": 0.9,
        "accumulate": 2,
        "batch": 4,
    }
    data = str(tmp_path / "photos")
    whole = train("conv", data, epochs=3, run=tmp_path / "whole", **given)
    assert len(whole.evaluations) == 3
    assert any("003.png" in note for note in whole.notes)
    train("conv", data, epochs=3, run=tmp_path / "cut", budget_s=1e-9, **given)
    assert checkpoint.load(tmp_path / "cut")[1]["step"] == 1
    train(resume=tmp_path / "cut")
    assert equal(tmp_path / "whole", tmp_path / "cut")
    about = json.loads((tmp_path / "cut" / "checkpoints" / "last.json").read_text())
    assert about["classes"] == ["a", "b", "c"]
    assert about["preprocessing"]["shape"] == [3, 20, 20]
    assert len(about["preprocessing"]["scale"]["mean"]) == 3
    plan = about["asked"]
    assert (plan["model"], plan["data"], plan["train"]["mixup"]) == ("conv", data, 0.2)
    assert plan["train"]["precision"] == "fp32"  # resolved: the net is small


def test_workers_give_the_same_weights(tmp_path: Path) -> None:
    classes(tmp_path / "photos", {"a": 10, "b": 10}, 16)
    for workers in (0, 2):
        train(
            "conv", str(tmp_path / "photos"), epochs=2, run=tmp_path / str(workers),
            workers=workers, augment="resized-crop,flip", **SMALL,
        )  # fmt: skip
    assert equal(tmp_path / "0", tmp_path / "2")


def test_a_changed_plan_and_changed_data_are_refused(tmp_path: Path) -> None:
    classes(tmp_path / "photos", {"a": 10, "b": 10}, 16)
    photos = str(tmp_path / "photos")
    train("conv", photos, epochs=1, run=tmp_path / "r", **SMALL)
    train(resume=tmp_path / "r", epochs=2, act="relu", depth=2)  # agrees, and epochs may change
    assert checkpoint.load(tmp_path / "r")[1]["step"] == 4
    with pytest.raises(UsageError, match=r"lr: 0\.05 is now 0\.1; width: 8 is now 16"):
        train(resume=tmp_path / "r", lr=0.1, width=16)
    with pytest.raises(UsageError, match="model: conv is now mlp"):
        train("mlp", resume=tmp_path / "r")
    with pytest.raises(UsageError, match="option 'depht' is unknown"):
        train(resume=tmp_path / "r", depht=3)
    (tmp_path / "photos" / "a" / "000.png").unlink()
    with pytest.raises(UsageError, match=r"the data are not those.*--accept-data-change"):
        train(resume=tmp_path / "r", epochs=3)
    train(resume=tmp_path / "r", epochs=3, accept_data_change=True)
    with pytest.raises(UsageError, match="has no checkpoint"):
        train(resume=tmp_path)


def test_data_given_as_objects_are_asked_for_again(tmp_path: Path) -> None:
    x, y = torch.randn(40, 6), torch.arange(40) % 2
    train("mlp", (x, y), epochs=1, run=tmp_path, **SMALL)
    with pytest.raises(UsageError, match="were given as objects; give data= again"):
        train(resume=tmp_path)
    with pytest.raises(UsageError, match="the data are not those"):
        train(data=(x + 1, y), resume=tmp_path)
    train(data=(x, y), resume=tmp_path, epochs=2)
    assert checkpoint.load(tmp_path)[1]["epoch"] == 2


def test_one_unit_learns_two_classes(tmp_path: Path) -> None:
    x = torch.randn(200, 6)
    y = (x[:, 0] > 0).long()
    run = train(
        "mlp",
        (x, y),
        epochs=8,
        run=tmp_path,
        loss="bce",
        act="relu",
        init="he",
        **{**SMALL, "lr": 0.1},
    )
    assert weights(tmp_path)["head.weight"].shape[0] == 1
    assert run.evaluations[-1].accuracy is not None
    assert run.evaluations[-1].accuracy > 0.85
    both = train("mlp", (x, y), epochs=1, run=tmp_path / "2", loss="bce", classes=2, **SMALL)
    assert weights(both.folder)["head.weight"].shape[0] == 2


class Squares(Dataset[Any]):
    """Pictures as Pillow images, with labels."""

    def __len__(self) -> int:
        return 30

    def __getitem__(self, index: int) -> tuple[Any, int]:
        from PIL import Image

        return Image.new("RGB", (12, 12), (8 * index, 255 - 8 * index, 0)), index % 3


def test_data_sets_and_loaders_are_taken() -> None:
    found = as_data(Squares())
    assert isinstance(found.x, Items)
    assert (found.shape, found.classes, len(found.x)) == ((3, 12, 12), 3, 30)
    assert float(found.x[2][0, 0, 0]) == pytest.approx(16 / 255)
    x, y = torch.randn(10, 4), torch.arange(10) % 2
    for loader in (DataLoader(TensorDataset(x, y), 4), DataLoader(TensorDataset(x, y), 4, True)):
        assert torch.equal(as_data(loader).x[:], x)
    pairs = as_data([(x[:4], y[:4]), (x[4:], y[4:])])
    assert torch.equal(pairs.x[:], x)

    class Bad(Squares):
        def __getitem__(self, index: int) -> Any:
            return torch.zeros(2), -1

    with pytest.raises(UsageError, match="item 0 has label -1"):
        as_data(Bad())
    with pytest.raises(UsageError, match=r"must be \(x, y\) tensors"):
        as_data(3)


def test_a_pipeline_of_ones_own_is_used_and_named(tmp_path: Path) -> None:
    classes(tmp_path / "photos", {"a": 8, "b": 8}, 20)

    def mine(image: Any) -> Tensor:
        import numpy as np

        made = torch.from_numpy(np.asarray(image.resize((10, 10)), dtype=np.float32) / 127 - 1)
        return made.permute(2, 0, 1)

    train("conv", str(tmp_path / "photos"), epochs=1, run=tmp_path / "r", transform=mine, **SMALL)
    told = checkpoint.load(tmp_path / "r")[1]["preprocessing"]
    assert told["shape"] == [3, 10, 10]
    assert told["transform"].endswith("mine")
    with pytest.raises(UsageError, match="transform= takes images"):
        train(data="digits", transform=mine)


def test_sizes_are_those_the_model_takes(tmp_path: Path) -> None:
    classes(tmp_path, {"a": 2, "b": 2}, 40)
    photos = load(str(tmp_path))
    assert fitted(photos, "resnet18").shape == (3, 224, 224)
    assert fitted(photos, "resnet18", 64).shape == (3, 64, 64)
    assert fitted(photos, "conv").shape == (3, 40, 40)
    tiny = Arrays("t", torch.zeros(2, 3, 4, 4), torch.tensor([0, 1]), 2, False)
    assert min(fitted(tiny, "vgg11").shape[1:]) >= 32
    assert fitted(tiny, "conv") is tiny
    large = Arrays("t", torch.zeros(2, 3, 64, 64), torch.tensor([0, 1]), 2, False)
    assert fitted(large, "vgg11") is large


def test_labels_beyond_the_head_are_told_before_training(tmp_path: Path) -> None:
    x, y = torch.randn(40, 6), torch.arange(40) % 4
    with pytest.raises(UsageError, match="3 outputs and the data labels up to 3"):
        train("mlp", (x, y), run=tmp_path, classes=3, **SMALL)


def test_a_folder_that_holds_a_run_is_not_written_over(tmp_path: Path) -> None:
    x, y = torch.randn(40, 6), torch.arange(40) % 2
    train("mlp", (x, y), epochs=1, run=tmp_path, **SMALL)
    before = (tmp_path / "checkpoints" / "last.safetensors").read_bytes()
    with pytest.raises(UsageError, match="already holds a run"):
        train("mlp", (x, y), epochs=1, run=tmp_path, **SMALL)
    assert (tmp_path / "checkpoints" / "last.safetensors").read_bytes() == before


def test_metrics_hold_accuracy_and_norm_every_step(tmp_path: Path) -> None:
    x, y = torch.randn(40, 6), torch.arange(40) % 2
    run = train("mlp", (x, y), epochs=2, run=tmp_path, **SMALL)
    one: Scalars = run.metrics[-1]
    assert one.accuracy is not None
    assert one.grad_norm is not None


def test_a_run_that_ended_early_takes_no_step_more(tmp_path: Path) -> None:
    given = {**SMALL, "lr": 1e-30, "patience": 1, "evaluate_every": 2, "steps": 9}
    run = train("mlp", "synthetic:1x4x4:2", run=tmp_path / "r", **given)
    assert len(run.metrics) == 4  # the second evaluation is no better
    again = train(resume=run.folder)
    assert len(again.metrics) == 4
    assert checkpoint.load(run.folder)[1]["step"] == 4
    assert "stopped early: no better evaluation since step 2" in again.notes
