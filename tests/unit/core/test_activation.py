"""Facts of activations against published moments, finite differences and simulation."""

import math
import pickle
from collections.abc import Callable

import numpy as np
import pytest

from undertow.core.activation import FACTS, ActivationFacts, expectation
from undertow.core.words import ACTIVATIONS

WORDS = pytest.mark.parametrize("facts", FACTS.values(), ids=FACTS)
GRID = [i / 50 + 0.003 for i in range(-500, 500)]  # misses the kinks at 0 and ±3

# E f, E f², E f'² at unit variance, and the gains, as printed in the specification of the zoo
MOMENTS = {
    "sigmoid": (0.500, 0.2934, 0.0448, 1.846, 4.723),
    "tanh": (0.0, 0.3943, 0.4644, 1.593, 1.467),
    "relu": (0.399, 0.5, 0.5, 1.414, 1.414),
    "leaky-relu": (0.395, 0.5000, 0.5000, 1.414, 1.414),
    "prelu": (0.299, 0.5313, 0.5313, 1.372, 1.372),
    "elu": (0.161, 0.6449, 0.6681, 1.245, 1.223),
    "selu": (0.0, 1.000, 1.0716, 1.000, 0.966),
    "gelu": (0.282, 0.4252, 0.4559, 1.534, 1.481),
    "silu": (0.207, 0.3558, 0.3795, 1.677, 1.623),
    "mish": (0.240, 0.4523, 0.4791, 1.487, 1.445),
    "softplus": (0.806, 0.9212, 0.2934, 1.042, 1.846),
    "hard-swish": (0.166, 0.3316, 0.3585, 1.737, 1.670),
    "identity": (0.0, 1.0, 1.0, 1.0, 1.0),
}


def test_every_word_has_facts_in_the_order_of_the_words() -> None:
    assert tuple(FACTS) == ACTIVATIONS


@pytest.mark.parametrize("word", MOMENTS)
def test_moments_and_gains_are_the_published_ones(word: str) -> None:
    facts = FACTS[word]
    found = (facts.mean, facts.second, facts.slope_second, facts.gain, facts.gain_backward)
    assert found == pytest.approx(MOMENTS[word], abs=7e-4)


def test_moments_meet_closed_forms() -> None:
    assert FACTS["relu"].mean == pytest.approx(1 / math.sqrt(2 * math.pi), abs=1e-12)
    assert FACTS["prelu"].gain == pytest.approx(math.sqrt(2 / (1 + 0.25**2)), abs=1e-12)
    assert FACTS["selu"].mean == pytest.approx(0, abs=1e-12)
    assert FACTS["selu"].second == pytest.approx(1, abs=1e-12)
    # E gelu² = 1/3 + 1/(2√3 π): Hendrycks' x·Φ(x) integrated by parts
    assert FACTS["gelu"].second == pytest.approx(
        1 / 3 + 1 / (2 * math.sqrt(3) * math.pi), abs=1e-12
    )
    # Stein: E z·f(z) = E f'(z), for any f
    for facts in FACTS.values():
        product = expectation(_times_z(facts), 1)
        assert product == pytest.approx(expectation(facts.slope, 1), abs=1e-9)


@WORDS
def test_moments_meet_simulation(facts: ActivationFacts) -> None:
    z = np.random.default_rng(0).standard_normal(100_000)
    squares = np.array([facts.f(v) for v in z]) ** 2
    error = squares.std() / math.sqrt(len(z))
    assert abs(squares.mean() - facts.second) < 4 * error
    slopes = np.array([facts.slope(v) for v in z]) ** 2
    assert abs(slopes.mean() - facts.slope_second) < 4 * slopes.std() / math.sqrt(len(z)) + 1e-12


def test_moments_scale_with_the_variance() -> None:
    relu, hard = FACTS["relu"], FACTS["hard-swish"]
    assert expectation(relu.f, 2, 7.0) == pytest.approx(3.5, abs=1e-10)
    z = np.random.default_rng(1).standard_normal(200_000) * 3
    wanted = np.mean([hard.slope(v) ** 2 for v in z])
    assert expectation(hard.slope, 2, 9.0) == pytest.approx(wanted, rel=0.01)


@WORDS
def test_slope_is_the_derivative(facts: ActivationFacts) -> None:
    h = 1e-5
    for x in GRID:
        wanted = (facts.f(x + h) - facts.f(x - h)) / (2 * h)
        assert facts.slope(x) == pytest.approx(wanted, abs=1e-8)


@WORDS
def test_slope_range_is_reached_and_not_left(facts: ActivationFacts) -> None:
    points = [i / 1000 for i in range(-30_000, 30_000)] + [-2.999999, 2.999999]
    slopes = [facts.slope(x) for x in points]
    assert max(slopes) == pytest.approx(facts.top_slope, abs=2e-5)
    assert min(slopes) == pytest.approx(facts.bottom_slope, abs=2e-5)


@WORDS
def test_range_is_approached_and_not_left(facts: ActivationFacts) -> None:
    values = [facts.f(x) for x in [i / 1000 for i in range(-40_000, 40_000)]]
    low, high = facts.range
    assert low - 1e-5 <= min(values) <= max(values) <= high
    assert math.isinf(low) or min(values) == pytest.approx(low, abs=1e-5)
    assert math.isinf(high) or max(values) == pytest.approx(high, abs=1e-5)


@WORDS
def test_saturation_begins_where_both_slopes_fall_under_a_twentieth(
    facts: ActivationFacts,
) -> None:
    def small(x: float) -> bool:
        return max(facts.slope(x), facts.slope(-x)) < 0.05 * facts.top_slope

    if facts.saturates is None:
        assert not small(20.0)
    else:
        assert small(facts.saturates)
        assert not small(facts.saturates - 0.1)


@WORDS
def test_families_follow_from_the_function(facts: ActivationFacts) -> None:
    assert facts.relu_family == all(facts.f(x) == 0 for x in (-5.0, -1.0, -1e-3, 0.0))
    assert facts.zero_centred == (abs(facts.mean) < 1e-9)
    slopes = {round(facts.f(x) / x, 9) for x in (-7.0, -2.0, -0.5, -1e-3)}
    constant = slopes.pop() if len(slopes) == 1 else None
    assert facts.negative_slope == constant


@WORDS
def test_extreme_inputs_stay_finite(facts: ActivationFacts) -> None:
    for x in (-1e4, -800.0, 800.0, 1e4):
        assert math.isfinite(facts.f(x))
        assert math.isfinite(facts.slope(x))


@WORDS
def test_facts_pickle(facts: ActivationFacts) -> None:
    assert pickle.loads(pickle.dumps(facts)) == facts


def _times_z(facts: ActivationFacts) -> Callable[[float], float]:
    return lambda z: z * facts.f(z)
