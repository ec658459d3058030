"""`undertow study`, `activations`, `lab` and `explain CHAPTER` as typed."""

import json
from pathlib import Path

import pytest

from tests.unit.cli.command import run

NEW = ("study", "activations", "lab")


@pytest.mark.parametrize("command", NEW)
def test_the_command_has_help(command: str) -> None:
    found = run(command, "-h")
    assert found.code == 0
    assert "Usage: undertow" in found.out


def test_the_list_has_questions_and_verdicts() -> None:
    found = run("study", "list")
    assert found.code == 0
    assert "How fast does the gradient shrink with depth" in found.out
    assert "F7 supported" in found.out
    assert "not run yet" not in found.out


def test_claims_show_their_answers() -> None:
    found = run("study", "list", "--claims")
    assert "refuted (study activations)" in found.out
    assert "not answered yet" not in found.out
    rows = json.loads(run("study", "list", "--claims", "--json").out)
    assert len(rows) == 94


def test_a_study_runs_and_continues(tmp_path: Path) -> None:
    keep = str(tmp_path / "kept")
    found = run("study", "bottleneck", "--keep", keep, "--quiet")
    assert found.code == 0
    assert "1,179,648" in found.out
    assert (tmp_path / "kept" / "bottleneck.jsonl").is_file()
    again = json.loads(run("study", "bottleneck", "--keep", keep, "--json").out)
    assert [c["verdict"] for c in again["claims"]] == ["refuted", "supported"]


def test_fewer_seeds_are_a_demonstration() -> None:
    found = run("study", "preact", "--seeds", "1", "--keep", "")
    assert "a demonstration, no verdict" in found.out
    assert "undertow study preact --quick --seeds 1" in found.out


def test_the_figure_is_written(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "out.svg"
    assert run("study", "bottleneck", "--keep", "", "--figure", str(path)).code == 0
    assert path.read_text(encoding="utf-8").startswith("<?xml")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("study", "vanishin"), "did you mean vanishing"),
        (("study", "preact", "--seeds", "0"), "seeds=0"),
        (("study", "preact", "--workers", "0"), "workers=0"),
        (("lab", "floe"), "did you mean flow"),
        (("lab", "flow", "--act", "sigmoyd"), "did you mean sigmoid"),
        (("activations", "--act", "rellu"), "did you mean relu"),
        (("explain", "residua"), "did you mean residual"),
    ],
)
def test_bad_input_is_told(words: tuple[str, ...], said: str) -> None:
    found = run(*words)
    assert found.code == 2
    assert said in found.err


def test_the_flow_is_text_and_json() -> None:
    words = ("lab", "flow", "--depth", "20", "--act", "sigmoid", "--init", "xavier-uniform")
    assert "the gradient falls by" in run(*words).out
    found = json.loads(run(*words, "--json").out)
    assert len(found["rows"]) == 20
    assert found["theory_factor"] == pytest.approx(0.236, abs=0.002)


def test_activations_are_text_and_json() -> None:
    assert "softplus" in run("activations", "--depth", "2").out
    (relu,) = json.loads(run("activations", "--act", "relu", "--depth", "2", "--json").out)
    assert relu["gain"] == pytest.approx(2**0.5, abs=1e-5)


def test_a_chapter_is_printed() -> None:
    assert run("explain", "residual").out.startswith("# Why residual networks")
