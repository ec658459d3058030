"""The live line: one line, a few times a second, only where a person looks."""

import io
from collections.abc import Iterator

import pytest

from undertow.core.finding import Diagnosis, Symptom
from undertow.core.record import Record, Scalars
from undertow.report.live import CLEAR, Line, on_terminal
from undertow.report.report import Report


class Screen(io.StringIO):
    """A terminal of an encoding."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        """Somebody looks."""
        return True


class Plain(Screen):
    """A terminal that shows letters only."""

    encoding = "ascii"


def ticks(apart: float) -> Iterator[float]:
    now = 0.0
    while True:
        yield now
        now += apart


def line(screen: Screen, apart: float = 1.0) -> Line:
    clock = ticks(apart)
    return Line(screen, "Net", lambda: next(clock))


def judged(*symptoms: Symptom) -> Report:
    return Report(Diagnosis("vanishing" if symptoms else "healthy", symptoms), Record())


DEAD = Symptom("UT104", "dead-units", ("conv3",), 16, (), "all 8 units of conv3 are dead")


def test_nobody_looks_at_a_file_a_closed_stream_or_none() -> None:
    closed = io.StringIO()
    closed.close()
    assert on_terminal(io.StringIO(), "Net") is None
    assert on_terminal(closed, "Net") is None
    assert on_terminal(None, "Net") is None
    assert on_terminal(Screen(), "Net") is not None


def test_step_loss_progress_rate_and_health() -> None:
    screen = Screen()
    line(screen).step(Scalars(12, 0.5, 0.1), 2.0)
    assert screen.getvalue() == (
        f"{CLEAR}Net · step 12 · watching · loss 0.5 · 0.25 of guessing · lr 0.1\r"
    )


def test_what_is_not_known_is_not_shown() -> None:
    screen = Screen()
    line(screen).step(Scalars(3), None)
    assert screen.getvalue() == f"{CLEAR}Net · step 3 · watching\r"


def test_at_most_four_a_second() -> None:
    screen = Screen()
    shown = line(screen, apart=0.01)
    for step in range(100):
        shown.step(Scalars(step, 1.0), None)
    assert screen.getvalue().count(CLEAR) == 4


def test_a_finding_stays_and_is_said_once() -> None:
    screen = Screen()
    shown = line(screen)
    shown.step(Scalars(16, 1.0), None)
    shown.judged(judged(DEAD))
    shown.judged(judged(DEAD))
    text = screen.getvalue()
    assert text.count("\n") == 1
    told = "✕ UT104 dead-units in conv3 since step 16"
    assert f"{CLEAR}undertow: Net: {told}: all 8 units of conv3 are dead\n" in text
    shown.step(Scalars(17, 1.0), None)
    assert screen.getvalue().endswith(f"step 17 · {told} · loss 1\r")


def test_a_note_is_no_finding() -> None:
    screen = Screen()
    shown = line(screen)
    shown.judged(judged(Symptom("UT104", "dead-units", ("a",), 0, (), "some", note=True)))
    shown.step(Scalars(100), None)
    assert screen.getvalue() == f"{CLEAR}Net · step 100 · healthy so far\r"


def test_a_line_never_wraps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    screen = Screen()
    line(screen).step(Scalars(12, 0.5, 0.1), 2.0)
    assert len(screen.getvalue()) == len(CLEAR) + 19 + 1


def test_signs_that_the_terminal_lacks() -> None:
    screen = Plain()
    shown = line(screen)
    shown.judged(judged(DEAD))
    shown.step(Scalars(17), None)
    assert screen.getvalue().isascii()
    assert "x UT104 dead-units in conv3" in screen.getvalue()


def test_the_end_leaves_a_clean_line() -> None:
    screen = Screen()
    shown = line(screen)
    shown.close()
    assert screen.getvalue() == ""
    shown.step(Scalars(1), None)
    shown.close()
    assert screen.getvalue().endswith(f"\r{CLEAR}")
