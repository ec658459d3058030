"""The demonstration: the same path for any options; whole only where slow tests run."""

import time
from pathlib import Path

import pytest

from tests.unit.cli.command import run
from undertow.record.store import read_run


def test_a_healthy_choice_is_not_repaired(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    words = ("--act", "relu", "--init", "he", "--depth", "8", "--epochs", "1")
    found = run("demo", *words, "--run", str(folder))
    assert found.code in (0, 1)
    assert "1  Check before training" in found.out
    assert "2  Repair and prove" not in found.out
    assert "3  Train with the watch on" in found.out
    assert "held-back digits right" in found.out
    assert str((folder / "report.html").resolve()) in found.out
    assert read_run(folder).metrics


def test_wrong_choices_end_before_anything_is_trained(tmp_path: Path) -> None:
    found = run("demo", "--act", "relux", "--run", str(tmp_path / "demo"))
    assert found.code == 2
    assert "did you mean relu" in found.err
    assert not (tmp_path / "demo").exists()


@pytest.mark.slow
def test_the_demonstration_repairs_proves_and_reaches_95_percent(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    began = time.monotonic()
    found = run("demo", "--run", str(folder))
    assert found.code == 0, found.out + found.err
    assert "vanishing" in found.out
    assert "repaired" in found.out
    page = (folder / "report.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert time.monotonic() - began < 600  # two minutes on two free cores
