"""Numbers that could not train, or would quietly do nothing, are refused by name and range."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from undertow.api.train import train
from undertow.core.errors import UsageError
from undertow.core.plan import TrainChoices
from undertow.train.choices import checked


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("lr", -1.0, "lr=-1.0 does not train; give a number above 0"),
        ("lr", math.nan, "lr=nan"),
        ("clip_norm", 0.0, "clip_norm=0.0"),
        ("ema", 1.0, "ema=1.0 does not train; give a number from 0 to below 1"),
        ("momentum", -1.0, "momentum=-1.0"),
        ("l2", math.inf, "l2=inf does not train; give a number of 0 or more"),
        ("patience", -3, "patience=-3"),
        ("evaluate_every", -5, "evaluate_every=-5"),
        ("batch", 0, "batch=0 does not train; give a number of 1 or more"),
        ("gamma", 0.0, "gamma=0.0 is no factor"),
    ],
)
def test_a_number_out_of_range_is_named(name: str, value: float, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        checked(replace(TrainChoices(), **{name: value}))  # type: ignore[arg-type]


def test_what_is_not_given_and_the_edges_are_taken() -> None:
    checked(TrainChoices())
    checked(TrainChoices(lr=1e-9, ema=0.0, momentum=0.0, patience=0, batch=1, steps=1))


def test_a_training_asks_before_it_begins(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="ema=2 does not train"):
        train("mlp", "synthetic:1x4x4:2", depth=2, width=4, ema=2, run=tmp_path / "r")
    assert not (tmp_path / "r").exists()
