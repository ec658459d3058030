"""`undertow predict`: lines, JSON lines, exit codes, and which way the net was run."""

import json
from pathlib import Path

import pytest

import undertow as ut
from tests.unit.cli.command import run as command
from tests.unit.data.pictures import classes


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    classes(home / "photos", {"cat": 8, "dog": 8}, 12)
    run = home / "run"
    ut.train("conv", home / "photos", run=run, steps=2, batch=4, depth=3, width=4, side=12)
    (home / "photos" / "cat" / "bad.jpg").write_text("no image")
    return home


def test_a_folder_of_photos(home: Path) -> None:
    found = command("predict", str(home / "run"), str(home / "photos"))
    lines = found.out.splitlines()
    assert found.code == 0
    assert len(lines) == 17
    assert sum("error: not an image" in line for line in lines) == 1
    assert "cat" in lines[0] or "dog" in lines[0]
    assert "3x12x12" in found.err
    assert "on the first batch" in found.err or "eager" in found.err


def test_json_is_a_line_an_image(home: Path) -> None:
    found = command("predict", str(home / "run"), str(home / "photos" / "dog"), "--json", "-q")
    rows = [json.loads(line) for line in found.out.splitlines()]
    assert len(rows) == 8
    assert {row["label"] for row in rows} <= {"cat", "dog"}
    assert sum(g["probability"] for g in rows[0]["top"]) == pytest.approx(1, abs=1e-5)
    assert found.err == ""
    single = ut.predict(home / "run", home / "photos" / "dog" / "000.png")
    assert single[0].probability == pytest.approx(rows[0]["probability"], abs=1e-5)


def test_all_bad_is_2(home: Path) -> None:
    bad = home / "photos" / "cat" / "bad.jpg"
    found = command("predict", str(home / "run"), str(bad), str(home / "none.png"))
    assert found.code == 2
    assert len(found.out.splitlines()) == 2


def test_wrong_use_is_told(home: Path) -> None:
    run, photo = str(home / "run"), str(home / "photos" / "cat" / "000.png")
    (home / "empty").mkdir(exist_ok=True)
    for words, said in (
        ((str(home / "nowhere"), photo), "no run folder"),
        ((run, str(home / "empty")), "holds no images"),
        ((run, photo, "--fast", "maybe"), "choose on or off"),
        ((run, photo, "--precision", "fp8"), "precision='fp8'"),
        ((run, photo, "--mean", "a"), "no list of numbers"),
        ((run, photo, "--mean", "0.5,0.5"), "3 numbers"),
        ((run, photo, "--size", "1x12x12"), "1 channels and the preprocessing 3"),
        ((run, photo, "--names", "a,b,c"), "3 names (a, b, c, ...) for 2 outputs"),
        ((run, photo, "--names", "a"), "1 names (a, ...) for 2 outputs"),
        ((run, photo, "--preprocessing", "mlp"), "no published weights"),
        (("resnet50", photo), "--weights"),
    ):
        found = command("predict", *words)
        assert (found.code, found.out) == (2, ""), words
        assert said in found.err
