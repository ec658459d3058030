"""A change as text: what goes out, what comes in, and the same as options."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn, optim

from undertow.core.plan import Choices, Edit, Plan, TrainChoices
from undertow.experiment.pair import Source
from undertow.experiment.recipe import INITS, MODULES, NORMS, recipe
from undertow.nn.activation import ACTIVATIONS

PLAN = Plan("conv", Choices(act="sigmoid", norm="none"), (("depth", 12),))
BUILT = Source(PLAN, PLAN.train)
CODE = Source(None, TrainChoices())


def test_an_activation_is_named_by_its_module() -> None:
    lines = recipe([Edit("act", "relu")], BUILT).splitlines()
    assert lines[:2] == ["- nn.Sigmoid()", "+ nn.ReLU()"]
    assert lines[2].startswith("# the same for the built net: undertow train conv")
    assert lines[2].endswith("--act relu")
    assert recipe([Edit("act", "relu")], CODE).splitlines() == ["- the activation", "+ nn.ReLU()"]


def test_a_norm_takes_the_place_of_the_bias() -> None:
    out, into = recipe([Edit("norm", "batch")], BUILT).splitlines()[:2]
    assert out == "- nn.Conv2d(c, width, 3, padding=1), nn.Sigmoid()"
    assert into.endswith("bias=False), nn.BatchNorm2d(width), nn.Sigmoid()")


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (Edit("init", "he-normal"), "nn.init.kaiming_normal_"),
        (Edit("reset_bias", True), "nn.init.zeros_(layer.bias)"),
        (Edit("clip_norm", 1.0), "clip_grad_norm_(net.parameters(), 1.0)"),
        (Edit("standardise", True), "(x - mean) / std"),
        (Edit("skip", "projection"), "+ x = x + block(x)"),
        (Edit("lr", 0.002), "+ lr = 0.002"),
        (Edit("depth", 3), "- depth = 12"),
        (Edit("optimizer", "adam"), "+ optimizer = torch.optim.Adam("),
        (Edit("revive_units", True), "kaiming_normal_"),
        (Edit("zero_gamma", True), "zeros_(block.last_norm.weight)"),
        (Edit("aux", True), "+ 0.3 * criterion(half, y)"),
        (Edit("loss", "cross-entropy"), "+ loss = nn.functional.cross_entropy(logits, labels)"),
    ],
)
def test_every_edit_has_its_lines(edit: Edit, said: str) -> None:
    text = recipe([edit], BUILT)
    assert said in text
    value = {"aux": " 1"}.get(edit.field, "" if edit.value is True else f" {edit.value}")
    assert text.endswith(f"--{edit.field.replace('_', '-')}{value}")


def test_an_ending_is_taken_off_and_a_sigmoid_or_outputs_put_on() -> None:
    off = "- nn.Softmax() or what else stands behind the last linear layer"
    assert recipe([Edit("head", "logits")], CODE) == off
    assert recipe([Edit("head", "sigmoid")], CODE).splitlines() == [off, "+ nn.Sigmoid()"]
    assert "nn.Linear(features, 3)" in recipe([Edit("head", "logits:3")], CODE)


def test_code_is_told_what_its_own_optimiser_had() -> None:
    mine = Source(None, TrainChoices(lr=0.25), optimizer=optim.SGD)
    assert recipe([Edit("lr", 0.5)], mine).startswith("- lr = 0.25\n+ lr = 0.5\n")
    assert recipe([Edit("optimizer", "adam")], mine).startswith("- optimizer = ...\n")


def test_several_edits_are_several_changes_and_one_command() -> None:
    text = recipe([Edit("act", "relu"), Edit("init", "he-normal")], BUILT)
    assert text.count("# the same") == 1
    assert text.endswith("--act relu --init he-normal")
    assert recipe((), CODE) == ""


def test_the_modules_named_exist_in_torch() -> None:
    named = [*MODULES.values(), *NORMS.values(), *INITS.values()]
    for text in named:
        home = nn.init if text.startswith("nn.init.") else nn
        assert hasattr(home, text.split("(")[0].rsplit(".", 1)[1])


@pytest.mark.parametrize(
    ("edit", "holds"),
    [
        (Edit("clip_value", 0.001), lambda w: w["net"].weight.grad.abs().max() <= 0.001),
        (Edit("clip_norm", 0.001), lambda w: w["net"].weight.grad.norm() <= 0.0011),
        (Edit("l1", 0.5), lambda w: float(w["loss"].detach()) > w["first"]),
        (Edit("l2", 0.25), lambda w: w["optimizer"].param_groups[0]["weight_decay"] == 0.25),
        (Edit("lr", 0.125), lambda w: w["optimizer"].param_groups[0]["lr"] == 0.125),
        (Edit("warm_up", 10), lambda w: w["optimizer"].param_groups[0]["lr"] == pytest.approx(0.2)),
        (Edit("optimizer", "rmsprop"), lambda w: isinstance(w["optimizer"], optim.RMSprop)),
        (Edit("optimizer", "adamw"), lambda w: isinstance(w["optimizer"], optim.AdamW)),
        (Edit("optimizer", "sgd"), lambda w: isinstance(w["optimizer"], optim.SGD)),
    ],
)
@pytest.mark.filterwarnings("ignore:Detected call of")
def test_what_is_put_into_the_training_runs_as_it_stands(
    edit: Edit, holds: Callable[[dict[str, Any]], bool]
) -> None:
    torch.manual_seed(0)
    net, x, y = nn.Linear(4, 2), torch.ones(3, 4), torch.tensor([0, 1, 0])
    optimizer = optim.SGD(net.parameters(), lr=1.0)
    criterion = nn.functional.cross_entropy
    first = criterion(net(x), y)
    first.backward()
    world: dict[str, Any] = {
        "net": net, "x": x, "y": y, "optimizer": optimizer, "criterion": criterion, "nn": nn,
        "torch": torch, "first": float(first.detach()),
    }  # fmt: skip
    lines = recipe([edit], CODE).splitlines()
    exec("\n".join(line[2:] for line in lines if line.startswith("+ ")), world)
    assert holds(world)


def test_every_activation_has_a_module_to_paste() -> None:
    assert set(MODULES) == set(ACTIVATIONS)
