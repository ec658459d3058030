"""`undertow study`, `activations`, `lab` and `explain CHAPTER` as typed."""

import json
from pathlib import Path

import pytest

from tests.unit.cli.command import run
from undertow.studies import NAMES, engine

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


def test_an_interrupted_study_says_where_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, whole = str(tmp_path / "kept"), engine.work
    seen: list[str] = []

    def work(task: engine.Task) -> engine.Done:
        if len(seen) == 3:
            raise KeyboardInterrupt
        seen.append(task.cell.arm)
        return whole(task)

    monkeypatch.setattr(engine, "work", work)
    found = run("study", "optimizer-mask", "--seeds", "1", "--keep", keep)
    assert found.code == 130
    assert f"kept in {keep}" in found.err
    assert len((tmp_path / "kept" / "optimizer-mask.jsonl").read_text().splitlines()) == 3
    monkeypatch.setattr(engine, "work", lambda task: seen.append(task.cell.arm) or whole(task))
    assert run("study", "optimizer-mask", "--seeds", "1", "--keep", keep).code == 0
    assert len(seen) == 4  # only the one that was missing


def test_the_stored_result_is_shown_at_once() -> None:
    found = run("study", "degradation", "--stored")
    assert found.code == 0
    assert "undertow explain residual" in found.out
    held = json.loads(run("study", "degradation", "--stored", "--json").out)
    assert held["study"] == "degradation"


def test_a_network_of_ones_own_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text(
        "from torch import nn\n"
        "def build():\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))\n"
    )
    own = f"{file}:build"
    found = run("study", "--on", own, "--seeds", "1", "--keep", "")
    assert found.code == 0
    assert "Not asked" in found.out
    held = json.loads(run("study", "all", "--on", own, "--seeds", "1", "--keep", "", "--json").out)
    assert {r["study"] for r in held["results"]} == {"learning-rate", "input-scale", "calibration"}
    assert len(held["left"]) == len(NAMES) - 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("study", "vanishin"), "did you mean vanishing"),
        (("study", "preact", "--seeds", "0"), "seeds=0"),
        (("study", "preact", "--workers", "0"), "workers=0"),
        (("study", "preact", "--data", "digits"), "is for a network of yours"),
        (("study", "preact", "--stored", "--on", "mlp"), "leave out --on or --stored"),
        (("study", "nope", "--stored"), "study='nope' is unknown"),
        (("study", "init", "--on", "no.py:build"), "does not exist"),
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
