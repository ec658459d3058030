"""What a MODEL word and data make: zoo nets with plans, code by address, sizes as typed."""

import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

from undertow.api.target import CodeBuild, case, data_for, find, net_for, shape, source, trials
from undertow.core.errors import UsageError
from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.data import load

CODE = """
from torch import nn

WIDTH = 5

def plain():
    return nn.Linear(16, WIDTH)

def seeded(seed):
    net = nn.Linear(16, 3)
    nn.init.constant_(net.weight, float(seed))
    return net

def keyword(width=4, seed=0):
    net = nn.Linear(16, width)
    nn.init.constant_(net.weight, float(seed))
    return net
"""


@pytest.fixture
def code(tmp_path: Path) -> str:
    path = tmp_path / "mine.py"
    path.write_text(CODE)
    return str(path)


def test_code_is_built_with_a_seed_where_it_takes_one(code: str) -> None:
    assert isinstance(CodeBuild(f"{code}:plain")(3), nn.Linear)
    net = CodeBuild(f"{code}:seeded")(3)
    assert torch.equal(net.get_parameter("weight"), torch.full((3, 16), 3.0))


def test_code_is_found_again_after_pickling(code: str) -> None:
    again = pickle.loads(pickle.dumps(CodeBuild(f"{code}:plain")))
    assert again(0)(torch.zeros(1, 16)).shape == (1, 5)
    assert find("torch.nn:Linear") is nn.Linear


def test_a_seed_by_name_goes_to_the_seed(code: str) -> None:
    net = CodeBuild(f"{code}:keyword")(7)
    assert torch.equal(net.get_parameter("weight"), torch.full((4, 16), 7.0))


def test_code_that_cannot_be_loaded_is_told(code: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no callable 'pain'; it has plain, seeded, keyword"):
        find(f"{code}:pain")
    broken = tmp_path / "broken.py"
    broken.write_text("1 / 0\n")
    with pytest.raises(UsageError, match="ZeroDivisionError"):
        find(f"{broken}:build")
    with pytest.raises(UsageError, match=r"nowhere\.py does not exist"):
        find("nowhere.py:build")


def test_a_source_takes_classes_and_channels_from_the_data() -> None:
    made = source(Plan("conv", Choices(act="tanh"), (("depth", 2),)), load("synthetic:3x4x4:5"))
    assert made.plan is not None
    assert (made.plan.classes, made.plan.in_channels) == (5, 3)
    assert made.plan.choices.act == "tanh"
    assert made.plan.choices.norm == "none"
    assert made.choices.lr == 0.02
    given = source(Plan("conv", classes=7, train=TrainChoices(lr=0.5)), load("synthetic:3x4x4:5"))
    assert (given.choices.lr, given.plan and given.plan.classes) == (0.5, 7)


def test_code_takes_no_options_of_the_zoo(code: str) -> None:
    with pytest.raises(UsageError, match=r"--act, --depth cannot be set on .*change it there"):
        source(Plan(f"{code}:plain", Choices(act="relu"), (("depth", 3),)), load("digits"))
    made = source(Plan(f"{code}:plain"), load("synthetic:1x4x4:5"))
    assert (made.plan, made.choices.lr) == (None, 0.02)


@pytest.mark.parametrize(
    ("text", "expected"), [("3x64x32", (3, 64, 32)), ("64", (3, 64, 64)), ("1x8x8", (1, 8, 8))]
)
def test_sizes_as_typed(text: str, expected: tuple[int, ...]) -> None:
    assert shape(text) == expected


@pytest.mark.parametrize("text", ["", "3x", "0x8x8", "-3", "3x8", "axb", "1x2x3x4", None])
def test_what_is_no_size_is_told(text: str | None) -> None:
    with pytest.raises(UsageError, match="is no input size; give one as 3x64x64"):
        shape(text)


def test_data_or_a_size_but_not_both() -> None:
    assert data_for(None, "3x8x8").shape == (3, 8, 8)
    assert data_for("synthetic:1x4x4:3", None).classes == 3
    with pytest.raises(UsageError, match="exclude each other"):
        data_for("digits", "3x8x8")
    with pytest.raises(UsageError, match="give --data"):
        data_for(None, None)


def test_a_net_to_show_and_its_input(code: str) -> None:
    _, given = net_for(Plan("vgg11", classes=10), "3x32x32")
    assert given == (3, 32, 32)
    with pytest.raises(UsageError, match="does not say what it takes"):
        net_for(Plan(f"{code}:plain"), None)


def test_a_case_is_fed_as_training_would_be() -> None:
    data = load("digits")
    made = source(Plan("mlp", sizes=(("depth", 2), ("width", 8))), data)
    looked = case(made, data, "mlp", 0)
    assert looked.pair is not None
    assert looked.pair[0].shape[0] == 64
    assert abs(float(looked.pair[0].mean())) < 0.2
    assert looked.source == "mlp"
    held = trials(data, 0.2, steps=5, seeds=4, budget_s=9)
    assert held.held is not None
    assert (len(held.train.y), len(held.held.y), held.seeds) == (1438, 359, (0, 1, 2, 3))
