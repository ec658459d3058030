"""`undertow evaluate`: exit codes, JSON alone on stdout, the page."""

import json
from pathlib import Path

import pytest

import undertow as ut
from tests.unit.cli.command import run
from tests.unit.data import pictures
from undertow.record.store import read_events
from undertow.report.scores import Scores


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("photos")
    pictures.classes(home / "data", {"cat": 12, "dog": 12}, side=16)
    ut.train("conv", str(home / "data"), epochs=1, depth=2, width=4, side=16, run=home / "run")
    return home


def test_a_run_on_its_own_data_and_on_others(trained: Path) -> None:
    own = run("evaluate", str(trained / "run"), "--json")
    assert (own.code, own.err) == (0, "")
    assert Scores.from_json(own.out).part == "held-back"
    found = run("evaluate", str(trained / "run"), "--data", str(trained / "data"), "--part", "all")
    assert found.code == 0
    assert "trained on these samples" in found.out
    assert "24 samples" in found.out


def test_image_files_are_read_as_validation_read_them(trained: Path) -> None:
    held = [e for kind, e in read_events(trained / "run") if kind == "evaluation"]
    found = Scores.from_json(run("evaluate", str(trained / "run"), "--json").out)
    assert found.mean_loss == pytest.approx(held[-1]["loss"], rel=1e-5)
    assert found.accuracy == pytest.approx(held[-1]["accuracy"])


def test_the_page_is_written(trained: Path, tmp_path: Path) -> None:
    page = tmp_path / "s.html"
    found = run("evaluate", str(trained / "run"), "--json", "--html", str(page))
    assert json.loads(found.out)["format"] == 1
    assert "report:" in found.err
    assert "undertow" in page.read_text(encoding="utf-8")


def test_bad_input_ends_with_2_and_names_it(trained: Path, tmp_path: Path) -> None:
    other = pictures.classes(tmp_path / "other", {"cow": 3, "dog": 3}, side=16)
    found = run("evaluate", str(trained / "run"), "--data", str(other))
    assert (found.code, "cow, which the net does not know; it knows cat, dog" in found.err) == (
        2,
        True,
    )
    (tmp_path / "empty").mkdir()
    found = run("evaluate", str(trained / "run"), "--data", str(tmp_path / "empty"))
    assert (found.code, "no class folders" in found.err) == (2, True)
    found = run("evaluate", str(trained / "run"), "--crops", "3")
    assert (found.code, "give 1 or 10" in found.err) == (2, True)
    assert run("evaluate", str(tmp_path / "no")).code == 2


def test_names_are_given_with_commas_or_in_a_file(trained: Path, tmp_path: Path) -> None:
    other = pictures.classes(tmp_path / "other", {"Hund": 3, "Katze": 3}, side=16)
    words = ("evaluate", str(trained / "run"), "--data", str(other), "--json", "--names")
    found = run(*words, "Katze,Hund")
    assert json.loads(found.out)["names"] == ["Katze", "Hund"]
    (tmp_path / "names.txt").write_text("Katze\nHund\n")
    assert run(*words, str(tmp_path / "names.txt")).out == found.out
    found = run(*words, "Katze")
    assert (found.code, "2 classes and 1 names" in found.err) == (2, True)


def test_a_prediction_is_explained_beside_its_json(trained: Path, tmp_path: Path) -> None:
    image = str(trained / "data" / "cat" / "000.png")
    words = ("predict", str(trained / "run"), image, "--json", "--explain", str(tmp_path / "why"))
    found = run(*words, "--class", "dog")
    assert found.code == 0, found.err
    assert len(found.out.splitlines()) == 1
    assert "dog, " in found.err.splitlines()[-1]
    assert {p.name for p in (tmp_path / "why").iterdir()} == {"000-gradcam.png", "filters.png"}
    found = run(*words, "--layer", "nowhere")
    assert (found.code, "layer='nowhere' is unknown" in found.err) == (2, True)
