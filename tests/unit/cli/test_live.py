"""The lines of a training off a terminal: what was answered is not shown as if it still stood."""

import pytest

from undertow.cli.live import Live
from undertow.core.finding import Diagnosis, Symptom
from undertow.core.record import Record, Scalars
from undertow.core.run import Evaluation
from undertow.report.report import Report

DEAD = Symptom("UT104", "dead-units", ("conv3",), 16, (), "all 8 units of conv3 are dead")


def test_after_a_remedy_the_finding_is_gone(capsys: pytest.CaptureFixture[str]) -> None:
    live, held = Live(20, 10), Evaluation(9, 1.0, 0.5, 40)
    live.step(Scalars(9, 9.0), held)
    live.finding(Report(Diagnosis("dead", (DEAD,)), Record()))
    live.step(Scalars(9, 9.0), held)
    live.anew()
    live.step(Scalars(9, 1.0), held)
    before, found, after = capsys.readouterr().err.splitlines()
    assert before.endswith("loss 9  held-back 50.00%  watching")
    assert found.endswith("UT104 dead-units")
    assert after.endswith("loss 1  held-back 50.00%  watching")


def test_a_question_is_asked_with_the_bar_away(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    live = Live(20, 10)
    with live:
        bar = live._bar
        asked = live.around(lambda _: seen.append(bar.live.is_started) is None)
        assert bar.live.is_started
        assert asked("apply it?")
        assert bar.live.is_started
    assert seen == [False]
    assert Live(20, 10).around(lambda _: False)("apply it?") is False
