"""A change as text: what goes out, what comes in, and the same as options."""

import pytest
from torch import optim

from undertow.core.plan import Choices, Edit, Plan, TrainChoices
from undertow.experiment.pair import Source
from undertow.experiment.recipe import INITS, MODULES, NORMS, recipe

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
    assert recipe([Edit("lr", 0.5)], mine) == "- lr = 0.25\n+ lr = 0.5"
    assert recipe([Edit("optimizer", "adam")], mine).startswith("- optimizer = ...\n")


def test_several_edits_are_several_changes_and_one_command() -> None:
    text = recipe([Edit("act", "relu"), Edit("init", "he-normal")], BUILT)
    assert text.count("# the same") == 1
    assert text.endswith("--act relu --init he-normal")
    assert recipe((), CODE) == ""


def test_the_modules_named_exist_in_torch() -> None:
    from torch import nn

    named = [*MODULES.values(), *NORMS.values(), *INITS.values()]
    for text in named:
        home = nn.init if text.startswith("nn.init.") else nn
        assert hasattr(home, text.split("(")[0].rsplit(".", 1)[1])
