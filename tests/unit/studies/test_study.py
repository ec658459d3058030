"""Cells of a study: paired by seed, edited as asked."""

import pytest

from undertow.core.errors import UsageError
from undertow.core.plan import Plan
from undertow.studies.study import Arm, Cell, grid

from .toy import TOY


def test_a_grid_is_every_combination() -> None:
    arms = grid(act=("relu", "tanh"), depth=(5, 20))
    assert [a.label for a in arms] == [
        "relu, depth 5",
        "relu, depth 20",
        "tanh, depth 5",
        "tanh, depth 20",
    ]


def test_a_cell_edits_the_plan_and_keeps_the_rest() -> None:
    arm = Arm("x", (("act", "tanh"), ("lr", 0.5), ("gain", 2.0)))
    cell = TOY.cell(arm, 7)
    assert (cell.plan.choices.act, cell.plan.train.lr, cell.seed) == ("tanh", 0.5, 7)
    assert cell.given == (("gain", 2.0),)
    assert cell.number("gain") == 2.0
    assert cell.number("absent", 3.0) == 3.0


def test_a_word_is_no_number() -> None:
    cell = Cell("a", Plan("mlp"), (("gain", "big"),), "normal", 0)
    with pytest.raises(UsageError, match="no number"):
        cell.number("gain")


def test_an_unknown_statistic_is_told() -> None:
    assert TOY.statistic("").name == "value"
    with pytest.raises(UsageError, match="no 'speed'"):
        TOY.statistic("speed")
