"""The static figure: every arm is drawn, and a missing matplotlib is told."""

import sys
from pathlib import Path

import pytest

from undertow.core.errors import EnvironmentFaultError
from undertow.studies import engine, figure
from undertow.studies.result import stored

from .toy import TOY


def test_every_arm_is_in_the_figure(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    figure.save(engine.run(TOY, range(5)), tmp_path / "out" / "toy.svg")
    text = (tmp_path / "out" / "toy.svg").read_text()
    assert all(f">{arm.label}</text>" in text for arm in TOY.vary)


def test_without_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(EnvironmentFaultError, match="pip install"):
        figure.save(engine.run(TOY, range(2)), tmp_path / "toy.svg")


def test_arms_that_trade_two_numbers_are_points(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    result = stored()["pareto"]
    figure.save(result, tmp_path / "pareto.svg")
    text = (tmp_path / "pareto.svg").read_text()
    assert all(text.count(f">{arm.arm}</text>") == 2 for arm in result.arms)  # a bar and a point
    assert ">top1: per cent" in text


def test_a_point_is_beaten_by_what_costs_no_more_and_is_higher() -> None:
    assert figure._beats(("a", 1.0, 2.0), (1.0, 1.0))
    assert not figure._beats(("a", 1.0, 2.0), (0.9, 1.0))
    assert not figure._beats(("a", 1.0, 2.0), (1.0, 2.0))
