"""Values a remedy takes, and what counts as in force."""

import pytest

from tests.cases.records import ADAM, check, layers, line
from undertow.core.plan import Choices, Edit, Plan
from undertow.core.record import OptimizerFacts
from undertow.remedies.propose import fitting_init, in_force, propose
from undertow.remedies.rank import BY_NAME

CONST = 2.3


@pytest.mark.parametrize(
    ("probe", "lr"),
    [
        ((1.0, 2.0, 2.0, 3.0), 1e-4),
        ((2.0, 1.0, 2.0, 3.0), 1e-3),
        ((2.0, 2.0, 2.0, 1.0), 0.01),
        ((), 0.01),
    ],
)
def test_lower_follows_the_line_probe_else_a_tenth(probe: tuple[float, ...], lr: float) -> None:
    made = propose(BY_NAME["lower-lr"], check(line=line(*probe)))
    assert made is not None
    assert made.change == (Edit("lr", lr),)


@pytest.mark.parametrize(
    ("probe", "lr"), [((9, 9, 9, 9, 9, 9, 1), 10.0), ((9, 9, 9, 9, 1), 1.0), ((1, 9), 1.0)]
)
def test_raise_is_at_most_a_hundredfold(probe: tuple[float, ...], lr: float) -> None:
    made = propose(BY_NAME["raise-lr"], check(line=line(*probe)))
    assert made is not None
    assert made.change == (Edit("lr", lr),)


def test_an_unknown_rate_cannot_be_scaled() -> None:
    assert propose(BY_NAME["lower-lr"], check(optimizer=OptimizerFacts())) is None


def test_wider_doubles_the_plans_width() -> None:
    plan = Plan("mlp", sizes=(("depth", 20), ("width", 6)))
    made = propose(BY_NAME["wider"], check(plan=plan))
    assert made is not None
    assert made.change == (Edit("width", 12),)


@pytest.mark.parametrize(
    ("act", "word"),
    [
        ("relu", "he-init"), ("leaky-relu", "he-init"), ("gelu", "he-init"), ("elu", "he-init"),
        ("tanh", "xavier-init"), ("selu", "xavier-init"), ("sigmoid", ""), ("", "he-init"),
    ],
)  # fmt: skip
def test_fitting_init(act: str, word: str) -> None:
    assert fitting_init(check(layers=layers(act=act))) == word


@pytest.mark.parametrize(
    ("name", "yes", "no"),
    [
        ("batch-norm", check(layers=layers(norm="batch")), check()),
        ("group-norm", check(layers=layers(norm="layer")), check(layers=layers(norm="lrn"))),
        ("relu", check(layers=layers(w2=9.0)), check(layers=layers(act="tanh"))),
        ("he-init", check(layers=layers(w2=2.0)), check(layers=layers(w2=1.5))),
        ("xavier-init", check(layers=layers(w2=1.0)), check(layers=layers(w2=2.0))),
        ("reset-bias", check(), check(layers=layers(bias=-1.0))),
        ("shallower", check(depth=3, layers=layers(3)), check(depth=4, layers=layers(4))),
        ("adam", check(optimizer=ADAM), check()),
        ("clip-norm", check(optimizer=OptimizerFacts("SGD", 0.1, clip_norm=5.0)), check()),
        ("l2", check(), check()),
    ],
)
def test_in_force(name: str, yes: object, no: object) -> None:
    if name != "l2":
        assert in_force(BY_NAME[name], yes, None)  # type: ignore[arg-type]
    assert not in_force(BY_NAME[name], no, None)  # type: ignore[arg-type]


def test_in_force_by_the_plan() -> None:
    plan = Plan("mlp", Choices(skip="projection"))
    assert in_force(BY_NAME["skip"], check(plan=plan), plan)
    assert not in_force(BY_NAME["skip"], check(), Plan("mlp"))
