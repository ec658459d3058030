"""What all studies must be, and the four that run in quick form with their golden verdicts."""

import pickle
from dataclasses import replace
from importlib.resources import files

import pytest

from undertow.core.errors import UsageError
from undertow.studies import NAMES, Study, engine, source_of, studies, study
from undertow.studies.claims import CLAIMS
from undertow.studies.result import Result, stored
from undertow.studies.study import FULL, QUICK, Claim
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
    parts |= {"chapter", "layout", "flow", "strips", "sheet", "book", "hands", "__init__"}
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


@pytest.mark.parametrize("name", NAMES)
def test_two_disjoint_sets_of_seeds_never_contradict(name: str, every: dict[str, Study]) -> None:
    one, result = every[name], stored()[name]
    if result.form != "full":
        pytest.skip("ten seeds are not stored")
    halves = [
        {c.id: c.verdict for c in engine.judged(one, result.of(seeds).arms)}
        for seeds in (FULL[:5], FULL[5:])
    ]
    for claim, word in halves[0].items():
        assert not disagree(word, halves[1][claim]), f"{claim}: {word} and {halves[1][claim]}"


def turned(claim: Claim) -> Claim:
    """The claim with every comparison the other way round."""
    other = {">": "<", "<": ">"}
    return replace(
        claim, expect=tuple(replace(e, relation=other[e.relation]) for e in claim.expect)
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_claim_turned_round_is_refuted(name: str, every: dict[str, Study]) -> None:
    one, result = every[name], stored()[name]
    held = {c.id for c in result.claims if c.verdict == "supported"}
    sure = [c for c in one.claims if c.id in held and all(e.relation != "=" for e in c.expect)]
    if not sure:
        pytest.skip("no supported claim of a difference")
    found = engine.judged(replace(one, claims=tuple(map(turned, sure))), result.arms)
    assert {c.verdict for c in found} == {"refuted"}


@pytest.mark.parametrize("name", ["preact", "jacobian"])
def test_the_engine_says_no_when_it_is_run(name: str, every: dict[str, Study]) -> None:
    one = every[name]
    e = next(e for c in one.claims for e in c.expect if isinstance(e.b, float))
    wrong = replace(e, relation="=", b=float(e.b) + 1000.0)
    says = Claim("wrong", (wrong,), says="it is a thousand more")
    result = engine.run(replace(one, claims=(says,)), QUICK)
    assert verdicts(result) == {"wrong": "refuted"}


def test_a_run_that_is_not_finite_is_a_result() -> None:
    result = stored()["remedies-exploding"]
    number = result.arm("overflow").number("lasted")
    assert number is not None
    assert number.values == (0.0,) * len(result.seeds)  # no step was finite
    assert not result.arm("overflow").faults
    assert all(isinstance(v, int | float) for n in result.arm("overflow").numbers for v in n.values)


THEORY = {  # study, arm, statistic: figure of theory, share it may be off (mean field: width 256)
    ("jacobian", "sigmoid, gain 1", "factor"): (0.236, 0.02),
    ("vanishing", "sigmoid, depth 20", "factor"): (0.236, 0.02),
    ("vanishing", "relu, depth 50", "factor"): (0.7071, 0.02),
    ("vanishing", "identity, depth 50", "factor"): (1.0, 0.02),
    ("vanishing", "tanh, depth 5", "factor"): (0.857, 0.02),
    ("vanishing", "tanh, depth 20", "factor"): (0.932, 0.02),
    ("vanishing", "tanh, depth 50", "factor"): (0.962, 0.02),
    ("init", "relu, he-normal", "factor"): (1.0, 0.02),
    ("init", "relu, xavier-uniform", "factor"): (0.7071, 0.02),
    ("init", "relu, torch", "factor"): (0.4082, 0.02),
    ("init", "relu, normal:0.01", "factor"): (0.1131, 0.02),  # .01 √(256/2)
    ("init", "sigmoid, he-normal", "factor"): (0.318, 0.02),
    ("init", "sigmoid, normal:0.01", "factor"): (0.04, 0.02),  # .01 √256 / 4
    ("init", "tanh, normal:0.01", "factor"): (0.16, 0.02),
    ("init", "tanh, torch", "factor"): (0.575, 0.02),
    ("init", "tanh, he-normal", "factor"): (1.048, 0.02),
    ("exploding", "relu, he x 1.25, depth 30", "factor"): (1.25, 0.02),
    ("exploding", "relu, he x 1.5, depth 30", "factor"): (1.5, 0.02),
    ("exploding", "relu, he x 2, depth 30", "factor"): (2.0, 0.02),
    ("exploding", "identity, orthogonal, depth 30", "factor"): (1.0, 0.001),
    ("batchnorm", "relu, batch norm, he-normal, depth 50", "factor"): (1.2112, 0.01),  # √(π/(π−1))
    ("batchnorm", "tanh, batch norm, he-normal, depth 50", "factor"): (1.092, 0.01),
    ("batchnorm", "identity, batch norm, he-normal, depth 50", "factor"): (1.0, 0.01),
    ("anatomy", "VGG-19: multiply-adds", "value"): (19.6e9, 0.005),
    ("anatomy", "VGG-11: multiply-adds", "value"): (7.6e9, 0.005),
    ("parts", "share of inputs with gradient, max pool 2/2", "value"): (0.25, 0.0),
    ("vgg-init", "normal:0.01", "rms"): (-8.309, 0.02),  # 7e-9, and .73 of it with the border
    ("vgg-init", "normal:0.1", "rms"): (7.691, 0.02),
    ("parts", "module 3a: multiply-adds", "value"): (128_049_152, 0.0),
    ("parts", "module 3a without reductions: multiply-adds", "value"): (303_464_448, 0.0),
    ("bottleneck", "bottleneck 256-64-64-256: weights", "value"): (69_632, 0.0),
    ("bottleneck", "two 3x3 at 256: weights", "value"): (1_179_648, 0.0),
}


MOMENTS = {  # E f² and E f'² under N(0, 1), to three digits
    "sigmoid": (0.293, 0.0448), "tanh": (0.394, 0.464), "relu": (0.500, 0.500),
    "elu": (0.645, 0.668), "selu": (1.000, 1.072), "gelu": (0.425, 0.456), "silu": (0.356, 0.380),
    "mish": (0.452, 0.479), "softplus": (0.921, 0.293), "hard-swish": (0.332, 0.359),
}  # fmt: skip


@pytest.mark.parametrize("act", MOMENTS)
def test_moments_are_those_of_the_table(act: str) -> None:
    found = (stored()["activations"].arm(f"E {f} of {act}").number("value") for f in ("f²", "f'²"))
    for number, wanted in zip(found, MOMENTS[act], strict=True):
        assert number is not None
        assert number.mean == pytest.approx(wanted, abs=6e-4)


@pytest.mark.parametrize(("study_", "arm", "stat"), THEORY)
def test_figures_of_theory_are_met(study_: str, arm: str, stat: str) -> None:
    wanted, off = THEORY[study_, arm, stat]
    number = stored()[study_].arm(arm).number(stat)
    assert number is not None
    assert number.mean == pytest.approx(wanted, rel=off)
