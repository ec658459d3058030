"""Training on from weights: the recipe, their preprocessing, other classes, own modules, resume."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.unit.data.pictures import classes
from undertow.api.diagnose import diagnose
from undertow.api.evaluate import evaluate
from undertow.api.train import train
from undertow.api.transfer import words
from undertow.core.errors import UsageError
from undertow.models import build, checkpoints
from undertow.report.report import Report
from undertow.train import checkpoint

SMALL: dict[str, Any] = {"depth": 3, "width": 8, "norm": "batch", "batch": 8, "lr": 0.05}
State = dict[str, Tensor]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on pictures of three classes."""
    home = tmp_path_factory.mktemp("base")
    classes(home / "photos", {"a": 10, "b": 10, "c": 10}, 20)
    train("conv", str(home / "photos"), epochs=2, run=home / "run", **SMALL)
    return home


@pytest.fixture
def others(tmp_path: Path) -> str:
    """Pictures of other classes."""
    return str(classes(tmp_path / "others", {"d": 8, "e": 8, "f": 8, "g": 8, "h": 8}, 24))


def weights(folder: Path) -> State:
    return checkpoint.weights(checkpoint.load(folder)[0])


def about(folder: Path) -> dict[str, Any]:
    return checkpoint.load(folder)[1]


def test_the_recipe_stands_in_the_plan_value_by_value(
    base: Path, others: str, tmp_path: Path
) -> None:
    given = {**SMALL, "weights": base / "run"}
    done = train("conv", others, epochs=2, run=tmp_path / "r", **given)
    held = about(done.folder)["asked"]["train"]
    names = ("freeze", "unfreeze", "unfrozen_lr", "layer_decay", "schedule")
    assert {k: held[k] for k in names} == {
        "freeze": "body", "unfreeze": "1:all", "unfrozen_lr": 0.5, "layer_decay": 0.3,
        "schedule": "cosine",
    }  # fmt: skip
    assert held["warm_up"] == 2  # a third of the 4 steps of an epoch, rounded up
    assert held["weights"] == str((base / "run").resolve())


def test_what_is_typed_wins_over_the_recipe(base: Path, others: str, tmp_path: Path) -> None:
    given = {**SMALL, "weights": base / "run", "freeze": "none", "schedule": "constant"}
    train("conv", others, epochs=1, run=tmp_path / "r", layer_decay=1.0, warm_up=0, **given)
    held = about(tmp_path / "r")["asked"]["train"]
    assert (held["freeze"], held["unfreeze"], held["schedule"]) == ("none", None, "constant")
    assert (held["layer_decay"], held["warm_up"], held["unfrozen_lr"]) == (1.0, 0, 1.0)


def test_other_classes_get_a_head_of_their_own_on_the_same_body(
    base: Path, others: str, tmp_path: Path
) -> None:
    given = {**SMALL, "weights": base / "run", "freeze": "body"}
    run = train("conv", others, epochs=1, run=tmp_path / "r", **given)
    best = checkpoint.weights(checkpoint.load(base / "run", "best")[0])
    new = weights(tmp_path / "r")
    assert new["head.weight"].shape == (5, 8)
    assert all(torch.equal(new[k], best[k]) for k in best if not k.startswith("head"))
    assert any("head is drawn anew: 5 classes" in note for note in run.notes)


def test_as_many_but_other_classes_do_not_keep_the_head(base: Path, tmp_path: Path) -> None:
    data = str(classes(tmp_path / "three", {"x": 8, "y": 8, "z": 8}, 20))
    given = {**SMALL, "weights": base / "run", "freeze": "body", "lr": 1e-12}
    run = train("conv", data, epochs=1, run=tmp_path / "r", **given)
    same = train("conv", str(base / "photos"), epochs=1, run=tmp_path / "s", **given)
    old = checkpoint.weights(checkpoint.load(base / "run", "best")[0])["head.weight"]
    assert not torch.allclose(weights(tmp_path / "r")["head.weight"], old, atol=1e-4)
    assert torch.allclose(weights(tmp_path / "s")["head.weight"], old, atol=1e-4)
    assert any("its classes were others" in note for note in run.notes)
    assert not any("classes" in note for note in same.notes)


def test_inputs_are_made_as_the_weights_saw_them(base: Path, others: str, tmp_path: Path) -> None:
    given = {**SMALL, "weights": base / "run"}
    run = train("conv", others, epochs=1, run=tmp_path / "r", side=20, **given)
    own, new = (about(f)["preprocessing"] for f in (base / "run", tmp_path / "r"))
    assert new["scale"] == own["scale"]
    assert not diagnose(run.folder).symptoms


def test_other_inputs_than_the_weights_expect_are_a_finding(
    base: Path, others: str, tmp_path: Path
) -> None:
    given = {**SMALL, "weights": base / "run", "standardise": False}
    run = train("conv", others, epochs=1, run=tmp_path / "r", **given)
    report = diagnose(run.folder)
    assert [s.id for s in report.symptoms] == ["UT204"]
    assert "the weights expect" in report.symptoms[0].says
    assert report.mechanism == "input-scale"
    assert [c.name for c in report.causes] == ["input-scale"]


def test_a_resume_needs_neither_the_weights_nor_the_options(
    base: Path, others: str, tmp_path: Path
) -> None:
    given = {**SMALL, "unfreeze": {1: "layers.1", 2: "all"}}
    (tmp_path / "w").mkdir()
    (base / "run" / "checkpoints" / "best.safetensors").rename(tmp_path / "w" / "best.safetensors")
    file = tmp_path / "w" / "best.safetensors"
    try:
        train("conv", others, epochs=4, run=tmp_path / "whole", weights=file, **given)
        train("conv", others, epochs=4, run=tmp_path / "cut", weights=file, budget_s=1e-9, **given)
    finally:
        file.rename(base / "run" / "checkpoints" / "best.safetensors")
    first = weights(tmp_path / "cut")
    train(resume=tmp_path / "cut")
    one, two = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert all(torch.equal(one[k], two[k]) for k in one)
    assert not torch.equal(first["layers.0.conv.weight"], two["layers.0.conv.weight"])
    with pytest.raises(UsageError, match="freeze: body is now none"):
        train(resume=tmp_path / "cut", freeze="none")


def test_features_stored_once_leave_an_ordinary_run(
    base: Path, others: str, tmp_path: Path
) -> None:
    given = {**SMALL, "weights": base / "run", "epochs": 3}
    slow = train("conv", others, run=tmp_path / "slow", freeze="body", layer_decay=1.0, **given)
    fast = train("conv", others, run=tmp_path / "fast", cache_features=True, **given)
    one, two = weights(slow.folder), weights(fast.folder)
    assert one.keys() == two.keys()
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=1e-4, atol=1e-5)
    assert about(fast.folder)["preprocessing"] == about(slow.folder)["preprocessing"]
    train(resume=fast.folder, epochs=4)
    with pytest.raises(UsageError, match="leave out freeze, unfreeze"):
        train("conv", others, cache_features=True, augment="flip", **given)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "side"), [("googlenet", 47), ("inception_v3", 299)])
def test_auxiliary_heads_take_the_new_classes_in_one_call(
    name: str, side: int, tmp_path: Path
) -> None:
    """Complaint 11: torchvision's nets need surgery of their heads by hand."""
    data = str(classes(tmp_path / "five", dict.fromkeys("abcde", 2), 40))
    net: Any = build(name, aux=True, seed=1)
    net.transform_input = True
    file = checkpoints.save(net, tmp_path / "published.safetensors")
    given: dict[str, Any] = {"aux": True, "batch": 5, "side": side, "validation": 0.5, "lr": 1e-3}
    run = train(name, data, epochs=2, run=tmp_path / "r", weights=file, **given)
    new = weights(run.folder)
    heads = [k for k in new if k.endswith("weight") and new[k].shape[0] == 5]
    assert len(heads) == {"googlenet": 3, "inception_v3": 2}[name]
    assert about(run.folder)["transform_input"] is True
    assert len(run.evaluations) == 2


OWN = """
from torch import nn

def net(classes=5):
    return nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
        nn.Linear(24, 8), nn.ReLU(), nn.Linear(8, classes),
    )

def three():
    return net(3)
"""


def _of_ones_own(base: Path, folder: Path) -> tuple[Path, Any]:
    """A module of a user's own code, and a run of it on three classes."""
    code = folder / "own.py"
    code.write_text(OWN)
    photos = str(base / "photos")
    return code, train(f"{code}:three", photos, epochs=1, run=folder / "one", batch=8)


def test_a_module_of_ones_own_is_frozen_by_its_children(
    base: Path, others: str, tmp_path: Path
) -> None:
    code, first = _of_ones_own(base, tmp_path)
    given: dict[str, Any] = {"weights": first.folder, "batch": 8}
    run = train(f"{code}:net", others, epochs=2, run=tmp_path / "two", unfreeze="1:5", **given)
    told = [line for _, line in _events(run.folder, "schedule")]
    assert told[0][0] == "from the start: lr of head 0.02; frozen: 0, 5"
    assert told[0][1] == "after 1 epoch: lr of head 0.02, 5 0.006; frozen: 0"
    old, new = checkpoint.weights(checkpoint.load(first.folder, "best")[0]), weights(run.folder)
    assert all(torch.equal(old[k], new[k]) for k in ("0.weight", "1.running_mean", "1.weight"))
    assert new["7.weight"].shape == (5, 8)
    assert any("7.weight, 7.bias: drawn anew" in note for note in run.notes)


def test_a_module_of_ones_own_gets_a_head_of_the_data_and_is_used_so(
    base: Path, others: str, tmp_path: Path
) -> None:
    code, first = _of_ones_own(base, tmp_path)
    given: dict[str, Any] = {"weights": first.folder, "batch": 8}
    # the code builds 3 outputs: the head of 5 is an edit that the run holds
    run = train(f"{code}:three", others, epochs=2, run=tmp_path / "two", **given)
    old, new = checkpoint.weights(checkpoint.load(first.folder, "best")[0]), weights(run.folder)
    assert (old["7.weight"].shape, new["7.weight"].shape) == ((3, 8), (5, 8))
    before = checkpoint.load(run.folder)[0]
    again = train(resume=run.folder, epochs=2)
    assert all(torch.equal(v, before[k]) for k, v in checkpoint.load(again.folder)[0].items())
    typed = evaluate(str(run.folder), model=f"{code}:three")  # its own data, by the run
    assert (typed.names, typed.part) == (("d", "e", "f", "g", "h"), "held-back")
    assert evaluate(f"{code}:three", weights=run.folder).confusion == typed.confusion
    with pytest.raises(UsageError, match="--classes 5"):
        train(f"{code}:three", others, epochs=1, run=tmp_path / "no", batch=8)
    wide = train(f"{code}:three", others, epochs=1, run=tmp_path / "w", batch=8, classes=5)
    assert weights(wide.folder)["7.weight"].shape == (5, 8)


def _events(folder: Path, kind: str) -> list[tuple[str, list[str]]]:
    lines = (folder / "events.jsonl").read_text().splitlines()
    held = [json.loads(line) for line in lines]
    return [(e["event"], e["data"]["lines"]) for e in held if e["event"] == kind]


def test_wrong_weights_and_words_are_refused_before_training(
    base: Path, others: str, tmp_path: Path
) -> None:
    def refused(says: str, **given: Any) -> None:
        with pytest.raises(UsageError, match=says):
            train("conv", others, run=tmp_path / "no", **{**SMALL, **given})
        assert not (tmp_path / "no").exists()

    refused("nowhere", weights="nowhere.safetensors")
    refused("freeze='layrs.1' is no stage .* .did you mean layers.1", freeze="layrs.1")
    refused("do not fit this network", weights=base / "run", depth=5)
    refused("not the highest of layer_lr", weights=base / "run", layer_lr=(1e-4, 1e-2))


def test_a_head_that_does_not_move_in_its_epoch_is_a_finding(tmp_path: Path) -> None:
    given: dict[str, Any] = {**SMALL, "batch": 32}
    base = train("conv", "synthetic:1x4x4:3", epochs=1, run=tmp_path / "base", **given)

    def tuned(name: str, lr: float) -> Report:
        more = {**given, "weights": base.folder, "lr": lr, "freeze": "body"}
        run = train("conv", "synthetic:1x4x4:5", epochs=1, run=tmp_path / name, **more)
        return diagnose(run.folder)

    (found,) = tuned("stuck", 1e-7).symptoms
    assert (found.id, found.layers) == ("UT109", ("head",))
    assert "the head trained alone for 26 steps" in found.says
    assert not tuned("fine", 0.1).symptoms


def test_what_a_program_gives_becomes_the_plans_words() -> None:
    given = {
        "freeze": ["stem", "layer1.*"], "unfreeze": {1: "layer4", 2: "layer3"},
        "layer_lr": slice(1e-4, 1e-2), "weights": Path("w.pth"), "lr": 0.1,
    }  # fmt: skip
    assert words(given) == {
        "freeze": "stem,layer1.*,", "unfreeze": "1:layer4,2:layer3", "layer_lr": (1e-4, 1e-2),
        "weights": "w.pth", "lr": 0.1,
    }  # fmt: skip
    assert words({"freeze": "body", "unfreeze": "1:all"}) == {"freeze": "body", "unfreeze": "1:all"}
