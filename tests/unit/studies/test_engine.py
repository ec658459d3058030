"""The engine: verdicts, turned claims, faults, budgets, and finished cells that are reused."""

import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from undertow.core.errors import UsageError
from undertow.studies import engine
from undertow.studies.result import Result, from_json
from undertow.studies.study import Arm, Cell, Claim, Expect

from .toy import TOY, with_arm

SEEDS = range(5)


def verdicts(result: Result) -> dict[str, str]:
    return {c.id: c.verdict for c in result.claims}


def test_a_claim_and_the_same_turned_round() -> None:
    found = verdicts(engine.run(TOY, SEEDS))
    assert found == {
        "F1": "supported",
        "turned": "refuted",
        "mixed": "depends",
        "none": "supported",
    }


def test_four_seeds_show_nothing() -> None:
    assert set(verdicts(engine.run(TOY, range(4))).values()) == {"inconclusive"}


def test_two_sets_of_seeds_agree() -> None:
    assert verdicts(engine.run(TOY, range(5))) == verdicts(engine.run(TOY, range(5, 10)))


def test_a_result_survives_json() -> None:
    result = engine.run(TOY, SEEDS)
    again = from_json(result.to_json())
    assert again.to_json() == result.to_json()
    assert verdicts(again) == verdicts(result)
    assert again.arm("low").profiles == (("curve", (1.0, 2.0, 3.0)),)
    with pytest.raises(UsageError, match="did you mean low"):
        again.arm("lo")


def test_not_finite_counts_as_the_cap() -> None:
    result = engine.run(with_arm(Arm("bad", (("bad", "inf"),))), SEEDS)
    number = result.arm("bad").number("value")
    assert number is not None
    assert number.values == (9.0,) * 5
    assert not result.arm("bad").faults


def test_a_cell_that_raises_is_told_and_no_crash() -> None:
    study = with_arm(Arm("bad", (("bad", "raises"),)))
    claim = Claim("bad", (Expect("bad", ">", "low", 0.1),), says="bad is higher")
    result = engine.run(replace(study, claims=(*study.claims, claim)), SEEDS)
    assert result.arm("bad").number("value") is None
    assert "this cell fails" in result.arm("bad").faults[0]
    assert verdicts(result)["bad"] == "inconclusive"
    assert verdicts(result)["F1"] == "supported"


def test_an_arm_that_does_not_exist_is_told() -> None:
    claim = Claim("x", (Expect("higher", ">", "low", 0.1),), says="x")
    with pytest.raises(UsageError, match="'higher' is unknown"):
        engine.run(replace(TOY, claims=(claim,)), SEEDS)


def test_counts_stay_exact() -> None:
    one = Arm("one", (("level", 143_667_240), ("noise", 0.0)))
    study = replace(TOY, vary=(one,), claims=(), exact=True)
    again = from_json(from_json(engine.run(study, (0,)).to_json()).to_json())
    number = again.arm("one").number("value")
    assert number is not None
    assert number.mean == 143_667_240


def test_a_second_call_continues(tmp_path: Path) -> None:
    seen: list[str] = []
    way = engine.Way(tmp_path, done=lambda d: seen.append(f"{d.cell.arm}/{d.cell.seed}"))
    engine.run(TOY, range(2), way)
    assert len(seen) == 6
    file = tmp_path / "toy.jsonl"
    file.write_text(file.read_text() + '{"key": "cut')  # a kill in the middle of a line
    result = engine.run(TOY, range(5), way)
    assert len(seen) == 6 + 9  # only the three new seeds
    assert result.to_json() == replace(engine.run(TOY, range(5)), seconds=result.seconds).to_json()


def test_a_budget_ends_whole_seeds() -> None:
    result = engine.run(TOY, range(5), engine.Way(budget_s=0.0))
    assert result.seeds == (0,)
    assert {len(a.seeds) for a in result.arms} == {1}


def test_seeds_of_the_forms() -> None:
    assert engine.seeds_of(TOY) == (0, 1, 2, 3, 4)
    assert len(engine.seeds_of(TOY, full=True)) == 10
    assert engine.seeds_of(TOY, seeds=2) == (0, 1)
    assert engine.seeds_of(replace(TOY, exact=True), full=True) == (0,)
    with pytest.raises(UsageError, match="seeds=0"):
        engine.seeds_of(TOY, seeds=0)


def test_tasks_can_be_sent_to_workers() -> None:
    task = engine.Task(TOY, TOY.cell(TOY.vary[0], 0))
    again = pickle.loads(pickle.dumps(task))
    assert engine.work(again).values == engine.work(task).values
    assert isinstance(again.cell, Cell)
