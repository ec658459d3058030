"""A training that stops at a finding, is repaired and goes on; exactly so after an interruption."""

import json
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
import torch

import undertow as ut
from undertow.api import auto_fix
from undertow.api.auto_fix import AutoFix, fixing
from undertow.api.prepare import prepared
from undertow.api.target import source
from undertow.core.errors import UsageError
from undertow.core.finding import Remedy
from undertow.core.plan import Choices, Edit, Plan, TrainChoices
from undertow.core.run import Run
from undertow.core.verdict import Verdict
from undertow.data import load
from undertow.record.store import read_run
from undertow.train import checkpoint

DATA = load("synthetic:1x4x4:3").take(torch.arange(200))
CHOICES = Choices(act="sigmoid", norm="none", init="xavier-uniform")
NORM = (Edit("norm", "batch"),)
SLOWER = (Edit("lr", 0.001),)


class Shown:
    """What a repair would have shown; the real one is tested where it lives."""

    def __init__(self, word: str, name: str, change: tuple[Edit, ...]) -> None:
        self.verdict = Verdict(word, None, None, (0, 1, 2), (), why="as the test says")
        self.kept = Remedy(name, (), change, "") if word == "repaired" else None
        self.plan = object()


def sick(folder: Path, steps: int = 130, **given: Any) -> Any:
    plan = Plan(
        "mlp", CHOICES, (("depth", 12), ("width", 16)), train=TrainChoices(lr=0.05, steps=steps)
    )
    return prepared(source(plan, DATA), DATA, 0.2, 0, folder)


def ran(folder: Path, how: AutoFix, **given: Any) -> Run:
    return fixing(sick(folder, **given), how)


def losses(run: Run) -> Any:
    """To the digits a run folder holds them with."""
    return pytest.approx([m.loss for m in run.metrics], rel=1e-5)


def remedies(folder: Path) -> list[dict[str, Any]]:
    lines = map(json.loads, (folder / "events.jsonl").read_text().splitlines())
    return [line["data"] for line in lines if line["event"] == "remedy"]


def asked(folder: Path) -> Any:
    return checkpoint.load(folder)[1]["asked"]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets what the repair shows."""

    def to(word: str, name: str = "batch-norm", change: tuple[Edit, ...] = NORM) -> None:
        found = Shown(word, name, change)
        monkeypatch.setattr(auto_fix, "proven", lambda *args, **given: found)

    return to


def test_a_change_of_the_net_starts_again_and_stands_in_plan_and_events(
    tmp_path: Path, shown: Any
) -> None:
    shown("repaired")
    again: list[int] = []
    how = AutoFix("on", data=DATA, again=lambda: again.append(1))
    run = ran(tmp_path / "run", how)
    (event,) = remedies(tmp_path / "run")
    assert again == [1]
    assert {y.norm for y in read_run(tmp_path / "run").layers if y.role == "hidden"} == {"batch"}
    assert (event["remedy"], event["from_step"], event["verdict"]) == ("batch-norm", 0, "repaired")
    assert "vanishing-gradient" in event["found"]
    assert asked(tmp_path / "run")["choices"]["norm"] == "batch"
    assert asked(tmp_path / "run")["remedies"] == ["batch-norm"]
    assert [m.step for m in run.metrics] == list(range(130))
    cured = sick(tmp_path / "plain").plan.edit(NORM)
    direct = fixing(prepared(source(cured, DATA), DATA, 0.2, 0, tmp_path / "direct"), AutoFix())
    assert [m.loss for m in run.metrics] == losses(direct)


def test_a_change_of_the_training_goes_on_from_the_last_state_that_learned(
    tmp_path: Path, shown: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown("repaired", "lower-lr", SLOWER)
    monkeypatch.setattr(auto_fix, "_learned", lambda job: True)
    run = ran(tmp_path / "run", AutoFix("on", data=DATA))
    (event,) = remedies(tmp_path / "run")
    assert event["from_step"] > 100
    rates = [m.lr for m in run.metrics]
    assert rates[: event["from_step"]] == [0.05] * event["from_step"]
    assert set(rates[event["from_step"] :]) == {0.001}


def test_a_resume_goes_on_exactly(tmp_path: Path, shown: Any) -> None:
    shown("repaired")
    whole = ran(tmp_path / "whole", AutoFix("on", data=DATA))
    steps: list[int] = []

    def until(scalars: Any, found: Any) -> None:
        steps.append(scalars.step)
        if len(steps) > 110 and scalars.step == 60:  # after the remedy was applied
            raise KeyboardInterrupt

    part = fixing(sick(tmp_path / "part"), AutoFix("on", data=DATA), until)
    assert part.interrupted
    shown("not-shown")
    done = ut.train("mlp", (DATA.x, DATA.y), resume=tmp_path / "part")
    assert [m.loss for m in done.metrics] == losses(whole)
    one, two = (checkpoint.load(tmp_path / name)[0] for name in ("whole", "part"))
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_what_was_not_shown_changes_nothing(tmp_path: Path, shown: Any) -> None:
    shown("not-shown")
    told: list[str] = []
    how = AutoFix("on", tell=told.append, data=DATA, again=lambda: told.append("again"))
    run = ran(tmp_path / "run", how)
    assert "again" not in told
    plain = fixing(sick(tmp_path / "plain"), AutoFix())
    assert [m.loss for m in run.metrics] == losses(plain)
    assert remedies(tmp_path / "run")[0]["remedy"] is None
    assert any("no remedy was shown to help" in line for line in told)


def test_ask_applies_what_was_agreed_to(tmp_path: Path, shown: Any) -> None:
    shown("repaired")
    questions: list[str] = []

    def no(question: str) -> bool:
        questions.append(question)
        return False

    ran(tmp_path / "no", AutoFix("ask", ask=no, data=DATA))
    assert "batch-norm is repaired" in questions[0]
    assert remedies(tmp_path / "no")[0]["why"] == "batch-norm was declined"
    ran(tmp_path / "yes", AutoFix("ask", ask=lambda _: True, data=DATA))
    assert remedies(tmp_path / "yes")[0]["remedy"] == "batch-norm"


def test_ctrl_c_at_the_question_leaves_the_training_as_it_stopped(
    tmp_path: Path, shown: Any
) -> None:
    shown("repaired")

    def stopped(_: str) -> bool:
        raise KeyboardInterrupt

    run = ran(tmp_path / "run", AutoFix("ask", ask=stopped, data=DATA))
    assert run.interrupted
    assert remedies(tmp_path / "run") == []
    shown("not-shown")
    done = ut.train("mlp", (DATA.x, DATA.y), resume=tmp_path / "run")
    assert [m.step for m in done.metrics] == list(range(130))


def test_without_a_terminal_ask_is_off_and_says_so(tmp_path: Path, shown: Any) -> None:
    told: list[str] = []
    ask = wraps(auto_fix.asked)(lambda _: True)  # as the command wraps it around its bar
    how = AutoFix("ask", ask=ask, tell=told.append, data=DATA)
    ran(tmp_path / "run", how, steps=105)
    assert told == ["this is no terminal to ask at: findings are reported and nothing is changed"]
    assert remedies(tmp_path / "run") == []


def test_an_unknown_mode_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="choose off, ask or on"):
        ran(tmp_path / "run", AutoFix("yes"))
