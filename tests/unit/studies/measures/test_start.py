"""Start statistics against closed forms and against each other."""

import math

import pytest

from undertow.core.plan import Choices, Plan
from undertow.studies.measures import nets, start
from undertow.studies.study import Cell


def cell(act: str, init: str, *given: tuple[str, float], depth: int = 10, seed: int = 0) -> Cell:
    sizes = (("depth", depth), ("width", 256))
    plan = Plan("mlp", Choices(act=act, init=init, norm="none"), sizes, seed=seed)
    return Cell("a", plan, given, "normal", 0)


def test_orthogonal_identity_loses_nothing() -> None:
    found = start.gradient(cell("identity", "orthogonal"))
    assert found["factor"] == pytest.approx(1.0, abs=1e-5)
    assert found["signal"] == pytest.approx(1.0, abs=1e-5)


def test_the_gain_is_the_factor() -> None:
    found = start.gradient(cell("identity", "orthogonal", ("gain", 2.0)))
    assert found["factor"] == pytest.approx(2.0, rel=1e-4)
    assert found["decades"] == pytest.approx(-9 * math.log10(2), rel=1e-4)
    assert found["grown"] == pytest.approx(9 * math.log10(2), rel=1e-4)


def test_underflow_is_the_cap() -> None:
    found = start.gradient(cell("sigmoid", "normal:0.01", depth=60))
    assert found["decades"] == start.CAP


def test_mean_field_and_measurement_meet() -> None:
    found = start.slopes(cell("tanh", "xavier-uniform", ("gain", 0.5), depth=20))
    assert found["expected"] == pytest.approx(0.5, abs=1e-3)
    assert abs(float(str(found["gap"]))) < 0.02


def test_a_bias_saturates() -> None:
    few = start.saturation(cell("sigmoid", "xavier-uniform"))["saturated"]
    all_of_them = start.saturation(cell("sigmoid", "xavier-uniform", ("bias", 8.0)))["saturated"]
    assert few == pytest.approx(0.0, abs=0.01)
    assert all_of_them == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [(100, 1, 2), (1, 100, -2), (0, 0, 0), (1, 0, 46), (0, 1, -46), (math.inf, 1, 46), (1, 1, 0)],
)
def test_log_ratio(a: float, b: float, expected: float) -> None:
    assert nets.log_ratio(a, b, start.CAP) == expected


def test_a_gradient_that_is_not_finite_has_grown_and_is_not_lost() -> None:
    assert start.lost((math.nan, math.nan)) == -start.CAP
    assert start.lost((math.inf, 1.0)) == -start.CAP
    assert start.lost((0.0, 1.0)) == start.CAP  # underflow
    assert start.lost((1e-3, 1.0)) == pytest.approx(3.0)
