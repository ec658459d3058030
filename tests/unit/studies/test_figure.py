"""The static figure: every arm is drawn, and a missing matplotlib is told."""

import sys
from pathlib import Path

import pytest

from undertow.core.errors import EnvironmentFaultError
from undertow.studies import engine, figure

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
