"""The commands, their help, and how errors end: in words, with their code."""

import sys

import pytest

from tests.unit.cli.command import run, typed
from undertow.cli import app as module
from undertow.core.errors import EnvironmentFaultError

COMMANDS = (
    "demo",
    "models",
    "summary",
    "check",
    "train",
    "repair",
    "diagnose",
    "report",
    "explain",
    "doctor",
)


def test_help_names_every_command() -> None:
    found = run("--help")
    assert found.code == 0
    assert all(f"  {name}" in found.out for name in COMMANDS)
    assert run("-h").out == found.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    found = run(command, "-h")
    assert found.code == 0
    assert "Usage: undertow" in found.out


def test_the_version_is_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    import undertow

    monkeypatch.setitem(vars(undertow), "__version__", "1.2.3")
    assert run("--version").out == "undertow 1.2.3\n"


def test_nothing_typed_shows_the_help() -> None:
    found = run()
    assert "check" in found.out + found.err
    assert found.code in (0, 2)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (EnvironmentFaultError("the disk is full"), 3, "undertow: the disk is full"),
        (OSError(28, "No space left on device"), 3, "No space left on device; check the path"),
        (ZeroDivisionError("ours"), 3, "Traceback"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_errors_end_with_their_code(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, said: str
) -> None:
    def breaks(topic: str) -> str:
        raise error

    monkeypatch.setattr("undertow.api.explain.explain", breaks)
    found = run("explain", "UT101")
    assert found.code == code
    assert said in found.err
    assert found.out == ""


def test_a_reader_that_leaves_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def left(*args: object, **given: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(module, "app", left)
    closed: list[int] = []
    monkeypatch.setattr("os.dup2", lambda a, b: closed.append(b))
    monkeypatch.setattr("os.open", lambda *a: 0)
    with typed("models"), pytest.raises(SystemExit) as done:
        module.main()
    assert done.value.code == 0
    assert closed == [sys.stdout.fileno()]
