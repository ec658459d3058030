"""What holds for every command: help, `--json` with nothing beside it, `--quiet`, codes."""

import json
import sys
from pathlib import Path

import pytest

from tests.unit.cli.command import Result, run
from undertow.cli import app, options
from undertow.cli.every import every
from undertow.cli.output import machine

NAMES = tuple(name for name, _ in app.COMMANDS)
PROMISED = ("-h, --help", "--json", "--quiet", "-q,")
SICK = str(Path(__file__).parents[2] / "cases" / "run-sick")
TALKS = """
print("read")
from torch import nn
def build():
    print("built")
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.ReLU(), nn.Linear(4, 2))
"""
SHORT: dict[str, tuple[str, ...]] = {  # each that answers at once
    "models": ("models", "vgg*"),
    "summary": ("summary", "NET", "--size", "3x2x2"),
    "check": ("check", "NET", "--data", "synthetic:3x2x2:2", "--probe-steps", "1"),
    "train": ("train", "NET", "--data", "synthetic:3x2x2:2", "--steps", "1", "--run", "RUN"),
    "data": ("data", "synthetic:3x2x2:2"),
    "diagnose": ("diagnose", SICK),
    "compare": ("compare", SICK, SICK),
    "report": ("report", SICK, "--html", "PAGE"),
    "explain": ("explain", "UT101"),
    "study": ("study", "list"),
    "activations": ("activations", "--depth", "2"),
    "lab": ("lab", "flow", "--depth", "2", "--width", "4"),
    "doctor": ("doctor",),
}


@pytest.fixture
def words(tmp_path: Path) -> dict[str, str]:
    net = tmp_path / "talks.py"
    net.write_text(TALKS)
    return {"NET": f"{net}:build", "RUN": str(tmp_path / "run"), "PAGE": str(tmp_path / "r.html")}


def short(command: str, words: dict[str, str], *more: str) -> Result:
    return run(*(words.get(w, w) for w in SHORT[command]), *more)


@pytest.mark.parametrize("command", NAMES)
def test_every_command_has_help_json_and_quiet(command: str) -> None:
    found = run(command, "-h")
    assert found.code == 0
    assert found.out == run(command, "--help").out
    assert [word for word in PROMISED if word not in found.out] == []


@pytest.mark.parametrize("command", SHORT)
def test_json_stands_alone_on_stdout(command: str, words: dict[str, str]) -> None:
    found = short(command, words, "--json")
    assert found.code in (0, 1), found.err
    json.loads(found.out)


@pytest.mark.parametrize("command", SHORT)
def test_quiet_leaves_answer_and_code(command: str, words: dict[str, str]) -> None:
    found = short(command, words, "-q")
    assert found.code in (0, 1), found.err
    assert found.out
    assert found.err == ""


@pytest.mark.parametrize("command", NAMES)
def test_an_unknown_option_is_wrong_use(command: str) -> None:
    found = run(command, "--no-such-option")
    assert found.code == 2
    assert found.out == ""


@pytest.mark.parametrize("command", ["diagnose", "report", "evaluate", "export"])
def test_a_run_that_is_not_there_is_bad_input(command: str, tmp_path: Path) -> None:
    more = {"evaluate": ("--data", "digits"), "export": ("--to", str(tmp_path / "n.onnx"))}
    found = run(command, str(tmp_path / "none"), *more.get(command, ()), "--json")
    assert found.code == 2, found.err
    assert (found.out, found.err[:9]) == ("", "undertow:")


def test_a_command_with_its_own_quiet_keeps_it() -> None:
    seen: list[bool] = []

    def own(quiet: options.Quiet = False) -> None:
        seen.append(quiet)

    every(own)(quiet=True)
    assert seen == [True]


def test_beside_the_json_is_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    def talks(json: bool) -> None:
        sys.stdout.write("beside\n")
        machine("{}")

    every(talks)(json=True, quiet=False)
    assert capsys.readouterr() == ("{}\n", "beside\n")
    every(talks)(json=False, quiet=False)
    assert capsys.readouterr() == ("beside\n{}\n", "")
