"""What all studies must be, and the four that run in quick form with their golden verdicts."""

import pickle
from importlib.resources import files

import pytest

from undertow.core.errors import UsageError
from undertow.studies import NAMES, Study, engine, source_of, studies, study
from undertow.studies.claims import CLAIMS
from undertow.studies.result import Result, stored
from undertow.studies.study import FULL, QUICK
from undertow.studies.verdict import SEEDS, WORDS, disagree

GOLDEN = {  # a verdict that comes to disagree fails until it is changed here by hand
    "vanishing": {
        "F4": "depends",
        "F7": "supported",
        "G1": "supported",
        "G3": "depends",
        "G5": "supported",
    },
    "init": {
        "F10": "depends",
        "F12": "depends",
        "F17": "depends",
        "G7": "supported",
        "G9": "depends",
        "theory": "supported",
    },
    "exploding": {
        "F20": "depends",
        "F24": "depends",
        "G10": "supported",
        "G14": "supported",
        "theory": "supported",
        "bounded": "supported",
    },
    "anatomy": {
        "A2": "supported",
        "A3": "refuted",
        "A4": "depends",
        "A11": "supported",
        "V1": "supported",
        "V2": "depends",
        "V3": "depends",
        "V7": "supported",
        "R3": "depends",
        "R7": "supported",
        "R8": "supported",
        "I2": "supported",
        "I3": "supported",
        "I7": "supported",
        "I10": "supported",
    },
}


@pytest.fixture(scope="module")
def every() -> dict[str, Study]:
    return {one.id: one for one in studies()}


def test_the_list_names_every_study_file() -> None:
    home = files("undertow.studies")
    parts = {"study", "engine", "verdict", "result", "store", "text", "figure", "listing", "claims"}
    parts |= {"chapter", "layout", "flow", "strips", "sheet", "book", "__init__"}
    found = {f.name.removesuffix(".py") for f in home.iterdir() if f.name.endswith(".py")} - parts
    assert found == {name.replace("-", "_") for name in NAMES}
    assert len(set(NAMES)) == len(NAMES)


def test_an_unknown_study_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean vanishing"):
        study("vanishin")


@pytest.mark.parametrize("name", NAMES)
def test_a_study_is_whole(name: str, every: dict[str, Study]) -> None:
    one = every[name]
    assert one.question.endswith("?")
    assert one.says
    assert one.margins
    labels = [arm.label for arm in one.vary]
    assert len(set(labels)) == len(labels)
    for claim in one.claims:
        assert claim.id in CLAIMS or claim.says, f"{claim.id} has no words"
        assert claim.foreseen in WORDS
        assert claim.expect
        for e in claim.expect:
            assert e.a in labels
            assert e.relation in (">", "<", "=")
            assert not isinstance(e.b, str) or e.b in labels
            assert e.margin >= 0
            one.statistic(e.stat)


@pytest.mark.parametrize("name", NAMES)
def test_a_study_can_be_sent_to_workers(name: str, every: dict[str, Study]) -> None:
    one = every[name]
    task = engine.Task(one, one.cell(one.vary[0], 0))
    assert pickle.loads(pickle.dumps(task)) == task


@pytest.mark.parametrize("name", NAMES)
def test_its_stored_result_is_of_this_file(name: str, every: dict[str, Study]) -> None:
    one, result = every[name], stored()[name]
    assert result.sha == engine.sha(one), f"run again: undertow study {name} --quick --json"
    assert source_of(name)
    assert [c.id for c in result.claims] == [c.id for c in one.claims]
    assert [a.arm for a in result.arms] == [a.label for a in one.vary]
    assert result.seeds in ((0,), QUICK, FULL)
    assert result.seconds <= one.budget_s[0 if result.form == "quick" else 1]
    assert result.command == f"undertow study {name} --{result.form}"
    assert not [fault for arm in result.arms for fault in arm.faults]
    for claim in result.claims:
        assert claim.verdict in WORDS
        assert all(c.n >= SEEDS or result.exact for c in claim.conditions)


@pytest.mark.parametrize("name", GOLDEN)
def test_quick_form_gives_the_golden_verdicts(name: str, every: dict[str, Study]) -> None:
    one = every[name]
    result = engine.run(one, engine.seeds_of(one))
    assert verdicts(stored()[name]) == GOLDEN[name]
    for claim, word in verdicts(result).items():
        assert not disagree(word, GOLDEN[name][claim]), f"{claim} is now {word}"
    assert result.seconds < one.budget_s[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_other_seeds_never_contradict_the_stored_verdicts(
    name: str, every: dict[str, Study]
) -> None:
    one = every[name]
    if one.exact:
        pytest.skip("counts have no seeds")
    other = verdicts(engine.run(one, range(100, 105)))
    for claim, word in verdicts(stored()[name]).items():
        assert not disagree(word, other[claim]), f"{claim}: {word} and {other[claim]}"


def verdicts(result: Result) -> dict[str, str]:
    return {claim.id: claim.verdict for claim in result.claims}
