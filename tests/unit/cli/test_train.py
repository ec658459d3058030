"""`undertow train`, then `diagnose` and `report` on the run it leaves; Ctrl-C in the middle."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import undertow
from tests.unit.cli.command import Result, run
from undertow.record.store import read_events, read_run
from undertow.report.report import Report

DATA = ("--data", "synthetic:1x4x4:3")
NET = ("mlp", "--depth", "2", "--width", "16", "--init", "he")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(undertow.__file__).parents[1])}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    folder = tmp_path_factory.mktemp("runs") / "one"
    return folder, run("train", *NET, *DATA, "--epochs", "10", "--run", str(folder))


def test_a_training_leaves_the_run_folder(trained: tuple[Path, Result]) -> None:
    folder, found = trained
    assert found.code == 0
    assert "held-back  loss" in found.out
    assert str(folder) in found.out
    held = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert held >= {
        "run.json", "layers.json", "metrics.jsonl", "events.jsonl", "report.html",
        "checkpoints/last.safetensors", "checkpoints/last.json",
        "checkpoints/best.safetensors", "checkpoints/best.json",
    }  # fmt: skip
    record = read_run(folder)
    steps = len(record.metrics)
    assert f"step {steps}/{steps}" in found.err
    assert 10 * 819 // 64 - 10 <= steps <= 10 * 819 // 64 + 10
    assert record.plan is not None
    assert record.plan.get("depth") == 2
    facts = dict(record.facts)
    assert (facts["data"], facts["samples"], facts["seed"]) == ("synthetic:1x4x4:3", "819", "0")
    assert [k for k, _ in read_events(folder)].count("evaluation") == 10
    assert "<html" in (folder / "report.html").read_text()


def test_quiet_is_one_line(tmp_path: Path) -> None:
    found = run("train", *NET, *DATA, "--epochs", "2", "--run", str(tmp_path), "--quiet")
    (line,) = found.out.splitlines()
    assert line.startswith(str(tmp_path))
    assert "held-back  loss" in line
    assert found.err == ""


def test_what_came_up_on_the_way_is_told_at_the_end(tmp_path: Path) -> None:
    words = (*DATA, "--steps", "2", "--clip-norm", "1e-6", "--run", str(tmp_path))
    found = run("train", *NET, *words)
    assert "\nnote       clipped 2 of 2 steps; raise the limit" in found.out


@pytest.mark.slow
def test_the_default_plan_learns_the_digits(tmp_path: Path) -> None:
    """By nothing but the data: 97 % of the held-back part (98.3 to 99.7 in three seeds)."""
    assert run("train", "--data", "digits", "--run", str(tmp_path)).code == 0
    last = [e for kind, e in read_events(tmp_path) if kind == "evaluation"][-1]
    assert last["accuracy"] >= 0.97


def test_a_stored_run_is_judged_again(trained: tuple[Path, Result]) -> None:
    folder, _ = trained
    found = run("diagnose", str(folder), "--json")
    assert found.code == 0
    assert Report.from_json(found.out).healthy
    text = run("diagnose", str(folder))
    assert "healthy" in text.out


def test_the_page_is_written_where_it_is_asked_for(
    trained: tuple[Path, Result], tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    found = run("report", str(trained[0]), "--html", str(page))
    assert (found.code, found.out.strip()) == (0, str(page))
    text = page.read_text()
    assert text.count("<script") == text.count('<script type="application/json"')  # data only


def test_a_run_that_is_there_is_not_written_over(trained: tuple[Path, Result]) -> None:
    folder, _ = trained
    before = (folder / "metrics.jsonl").read_bytes()
    found = run("train", *NET, *DATA, "--run", str(folder))
    assert found.code == 2
    assert "already holds a run" in found.err
    assert (folder / "metrics.jsonl").read_bytes() == before


def test_json_is_the_report_alone(tmp_path: Path) -> None:
    where = ("--run", str(tmp_path / "r"), "--steps", "5")
    found = run("train", *NET, *DATA, *where, "--json")
    report = Report.from_json(found.out)
    assert len(report.record.metrics) == 5
    assert found.err == ""
    assert found.code == 0  # too early for a verdict


def test_a_sick_training_is_1(tmp_path: Path) -> None:
    where = ("--run", str(tmp_path / "r"), "--steps", "120")
    found = run("train", *NET, *DATA, *where, "--lr", "1e-7")
    assert found.code == 1
    assert "no-progress" in found.out or "unchanged" in found.out


@pytest.mark.parametrize("command", ["diagnose", "report"])
def test_what_is_no_run_is_told(command: str, tmp_path: Path) -> None:
    assert "does not exist; give the folder of a run" in run(command, "nowhere").err
    found = run(command, str(tmp_path))
    assert found.code == 2
    assert "is no run" in found.err


@pytest.mark.parametrize("words", ["diagnose {run}", "report {run} --html {page}", "explain UT101"])
def test_reading_loads_no_torch(words: str, trained: tuple[Path, Result], tmp_path: Path) -> None:
    shown = words.format(run=trained[0], page=tmp_path / "p.html").split()
    code = (
        "import sys; sys.argv = ['undertow', *sys.argv[1:]]\n"
        "from undertow.cli import main\n"
        "try:\n    main()\n"
        "finally:\n    print('loaded', *({'torch', 'numpy'} & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *shown],
        env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == "loaded"


def test_ctrl_c_leaves_a_readable_run(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    words = ("train", *NET, *DATA, "--epochs", "100000", "--run", str(folder))
    job = subprocess.Popen(
        [sys.executable, "-m", "undertow", *words],
        env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        until = time.monotonic() + 60
        log = folder / "metrics.jsonl"
        while not (log.exists() and log.read_bytes().count(b"\n") > 20):
            assert time.monotonic() < until, "no steps were written"
            time.sleep(0.05)
        job.send_signal(signal.SIGINT)
        out, err = job.communicate(timeout=60)
    finally:
        job.kill()
    assert job.returncode == 130, err
    assert "Traceback" not in err
    assert "interrupted at step" in err
    steps = len(read_run(folder).metrics)
    assert steps > 20
    about = json.loads((folder / "checkpoints" / "last.json").read_text())
    assert about["step"] == steps
    assert (folder / "report.html").is_file()
    assert "run " in out


def test_the_schedule_of_a_transfer_is_printed_before_it(
    trained: tuple[Path, Result], tmp_path: Path
) -> None:
    words = ("train", *NET, "--data", "synthetic:1x4x4:4", "--weights", str(trained[0]))
    found = run(*words, "--epochs", "2", "--run", str(tmp_path / "r"))
    lines = found.out.splitlines()
    assert lines[0] == "note       head is drawn anew: 4 classes where the file has 3"
    assert lines[1] == "schedule   from the start: lr of head 0.02; frozen: layers.0, layers.1"
    assert lines[2] == "schedule   after 1 epoch: lr of head 0.01, layers.1 0.003, layers.0 0.0009"
    quiet = run(*words, "--epochs", "1", "--run", str(tmp_path / "q"), "--json")
    assert json.loads(quiet.out)["format"]
    for given, says in (
        (("--layer-lr", "a"), "--layer-lr a is no slice"),
        (("--freeze", "layers.7"), "is no stage and matches no path (did you mean layers."),
        (("--weights", "nowhere"), "nowhere"),
    ):
        bad = run(*words, *given, "--run", str(tmp_path / "bad"))
        assert (bad.code, bad.out) == (2, "")
        assert says in bad.err
    assert not (tmp_path / "bad").exists()


def test_kinds_of_images_are_noted_at_the_end_and_in_the_run(tmp_path: Path) -> None:
    for at, mode in enumerate(("RGB", "CMYK", "CMYK", "RGB", "RGB")):
        for name in "ab":
            (tmp_path / name).mkdir(exist_ok=True)
            Image.new(mode, (8, 8), at).save(tmp_path / name / f"{at}.jpg")
    given = ("--data", str(tmp_path), "--epochs", "2", "--run", str(tmp_path / "r"))
    found = run("train", *NET, *given)
    said = "CMYK images are read as RGB or grey; the first is "
    assert found.out.count(said) == 1
    assert sum(said in str(e) for e in read_events(tmp_path / "r")) == 1
    assert said not in run("train", *NET, *given[:-1], str(tmp_path / "q"), "-q").out


@pytest.mark.parametrize(
    ("scale", "shift", "code", "said"),
    [
        (1, 0, 0, ""),
        (40, 128, 1, "look at    UT204 input-range: the features' root mean square is 1"),
        (0, 3, 1, "finding    UT204 input-range: all 256 samples are equal"),
    ],
)
def test_inputs_off_their_scale_are_a_finding_before_the_first_step(
    tmp_path: Path, scale: int, shift: int, code: int, said: str
) -> None:
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(320, 20)) * scale + shift).astype(np.float32)
    np.savez(tmp_path / "d.npz", x=x, y=rng.integers(0, 3, 320))
    given = ("--data", str(tmp_path / "d.npz"), "--steps", "3")
    found = run("train", *NET, *given, "--run", str(tmp_path / "r"))
    assert found.code == code, found.out
    assert (said or "watching") in found.out
    assert bool(code) == ("mechanism  input-scale" in found.out)
    assert ("standardise-input" in found.out) == (scale > 1)
    mended = run("train", *NET, *given, "--run", str(tmp_path / "m"), "--standardise", "--json")
    assert (mended.code, scale) in ((0, 1), (0, 40), (1, 0))  # equal samples no scaling tells apart


def test_no_number_among_the_inputs_is_bad_input(tmp_path: Path) -> None:
    x = np.zeros((20, 4), np.float32)
    x[7, 2] = np.nan
    np.savez(tmp_path / "d.npz", x=x, y=np.arange(20) % 2)
    for command in ("check", "train"):
        found = run(command, *NET, "--data", str(tmp_path / "d.npz"))
        assert (found.code, found.out) == (2, "")
        assert "sample 7 holds NaN or Inf (1 of 20 samples do)" in found.err
