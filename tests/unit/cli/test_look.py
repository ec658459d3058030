"""The commands that only show: models, summary, explain, doctor."""

import json
from pathlib import Path

import pytest

from tests.unit.cli.command import run
from undertow.cli import doctor
from undertow.core.words import SYMPTOMS


def test_models_are_listed_with_the_published_counts() -> None:
    found = run("models", "vgg*")
    assert found.code == 0
    assert "138,357,544" in next(v for v in found.out.splitlines() if v.startswith("vgg16 "))
    rows = json.loads(run("models", "vgg*", "--json").out)
    counts = {row["name"]: row["parameters"] for row in rows}
    assert counts["vgg16"] == 138_357_544
    assert counts["vgg11"] == 132_863_336
    assert "conv" not in counts


def test_a_pattern_that_matches_nothing_names_the_nearest() -> None:
    found = run("models", "vgg_16")
    assert found.code == 2
    assert "did you mean vgg16" in found.err


def test_a_summary_counts_layers_and_totals() -> None:
    words = ("summary", "mlp", "--depth", "2", "--width", "16", "--size", "20", "--classes", "3")
    found = run(*words[:-4], "--classes", "3", "--size", "1x4x5")
    assert found.code == 0, found.err
    total = 20 * 16 + 16 + 16 * 16 + 16 + 16 * 3 + 3
    assert f"{total:,}" in found.out
    as_json = run(*words[:-4], "--classes", "3", "--size", "1x4x5", "--json")
    assert str(total) in json.dumps(json.loads(as_json.out))


def test_a_summary_of_code_needs_a_size(tmp_path: Path) -> None:
    code = tmp_path / "own.py"
    code.write_text("from torch import nn\nbuild = lambda: nn.Conv2d(3, 4, 3)\n")
    assert "112" in run("summary", f"{code}:build", "--size", "3x8x8").out
    bad = run("summary", f"{code}:build")
    assert (bad.code, "give --size as 3x64x64" in bad.err) == (2, True)


@pytest.mark.parametrize("topic", ["UT101", "ut101", "vanishing-gradient"])
def test_a_finding_is_explained_by_id_and_word(topic: str) -> None:
    found = run("explain", topic)
    assert found.code == 0
    assert found.out == run("explain", "UT101").out
    assert "gradient" in found.out


@pytest.mark.parametrize("id", [i for i in SYMPTOMS.values() if i != "UT111"])
def test_every_finding_has_its_page(id: str) -> None:
    assert run("explain", id).code == 0


def test_an_unknown_topic_names_the_nearest() -> None:
    found = run("explain", "vanishing-gradiant")
    assert found.code == 2
    assert "did you mean vanishing-gradient?" in found.err


def test_the_doctor_says_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    found = run("doctor")
    assert found.code == 0
    assert "verdict    ready" in found.out
    assert "core       torch 2" in found.out
    monkeypatch.setattr(doctor, "CORE", ("torch", "no-such-package"))
    bad = run("doctor")
    assert bad.code == 3
    assert "no-such-package MISSING" in bad.out
    assert "incomplete: no-such-package" in bad.out
