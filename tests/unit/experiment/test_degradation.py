"""The word of a long net with norms: only its trained twins give it."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.cases.records import check, layers
from undertow.core.finding import Diagnosis
from undertow.core.plan import Choices, Edit, Plan, TrainChoices
from undertow.core.verdict import Trial, Verdict
from undertow.data import load
from undertow.experiment import degradation
from undertow.experiment.degradation import degraded, hampered
from undertow.experiment.pair import Source
from undertow.experiment.repair import Repair
from undertow.experiment.trials import Trials
from undertow.preflight import Deadline
from undertow.remedies.rank import BY_NAME

DEEP = check(layers=layers(36, norm="batch"), depth=36)
SIZES = (("depth", 36), ("width", 8))
PLAN = Plan("mlp", Choices(norm="batch", skip="none"), SIZES, train=TrainChoices(lr=0.05))


def arm(name: str, *losses: float) -> tuple[Trial, ...]:
    return tuple(Trial(name, i, 10, v, v) for i, v in enumerate(losses))


def made(remedy: str = "skip", word: str = "exploding") -> Repair:
    control = arm("control", 0.9, 0.88, 0.91)
    said = Verdict("repaired", None, None, (0, 1, 2), control, why="trains")
    data = load("synthetic:1x4x4:3").take(torch.arange(60))
    trials = Trials(data, data, 10, (0, 1, 2), Deadline(60))
    source = Source(PLAN, PLAN.train)
    kept = BY_NAME[remedy]
    found = Diagnosis(word)
    return Repair(found, DEEP, (kept,), said, (said,), (), source, trials, kept, before=source)


@pytest.fixture
def twin(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the twin's trials are, and what was asked of them."""
    held: dict[str, Any] = {"losses": (0.3, 0.32, 0.31)}

    def trained(_trials: Trials, _source: Source, *arms: Any) -> Any:
        held["edits"] = arms[0][1]
        return (arm(arms[0][0], *held["losses"]),)

    monkeypatch.setattr(degradation, "trained", trained)
    return held


def test_both_twins_name_it(twin: dict[str, Any]) -> None:
    found = degraded(made())
    assert found.diagnosis.mechanism == "degradation"
    assert found.diagnosis.others == ("exploding",)
    assert twin["edits"] == (Edit("depth", 12),)
    assert "a twin of 12 layers trains too (loss .31 of guessing, 36 layers: .90)" in (
        found.verdict.why
    )
    assert degraded(made(word="healthy")).diagnosis.others == ()


@pytest.mark.parametrize("losses", [(0.92, 0.9, 0.93), (0.3, 0.32, 0.95), ()])
def test_a_shallower_twin_that_does_no_better_names_nothing(
    losses: tuple[float, ...], twin: dict[str, Any]
) -> None:
    twin["losses"] = losses
    assert degraded(made()).diagnosis.mechanism == "exploding"


def test_another_remedy_or_a_net_without_norms_names_nothing(twin: dict[str, Any]) -> None:
    assert degraded(made("batch-norm")).diagnosis.mechanism == "exploding"
    plain = replace(made(), record=check(layers=layers(36), depth=36))
    assert degraded(plain).diagnosis.mechanism == "exploding"
    assert "edits" not in twin


def test_a_long_net_that_barely_trains_is_looked_at() -> None:
    assert hampered(DEEP, arm("control", 0.7, 0.85, 0.86))
    assert not hampered(DEEP, arm("control", 0.3, 0.4, 0.2))
    assert not hampered(DEEP, ())
    assert not hampered(check(layers=layers(36), depth=36), arm("control", 0.8, 0.8, 0.8))
    residual = replace(DEEP, plan=replace(PLAN, choices=Choices(norm="batch", skip="zero-pad")))
    assert not hampered(residual, arm("control", 0.8, 0.8, 0.8))
