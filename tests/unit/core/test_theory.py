"""Mean field against the published table, iteration, and a wide random net."""

import math

import numpy as np
import pytest

from undertow.core.errors import UsageError
from undertow.core.theory import chi1, depth_scale, fixed_point, mean_field, next_variance

TORCH, XAVIER, HE = 1 / 3, 1.0, 2.0  # σ_w²

# χ₁ at the settled variance, as printed in the specification of the diagnosis
TABLE = [
    ("sigmoid", 0.020, 0.056, 0.101),
    ("tanh", 0.333, 1.00, 1.11),
    ("relu", 0.167, 0.5, 1.0),
    ("gelu", 0.083, 0.25, 0.5),
    ("silu", 0.083, 0.25, 0.5),
]


@pytest.mark.parametrize(("act", "default", "xavier", "he"), TABLE)
def test_chi_is_the_published_one(act: str, default: float, xavier: float, he: float) -> None:
    found = [mean_field(act, w2).chi1 for w2 in (TORCH, XAVIER, HE)]
    assert found == pytest.approx([default, xavier, he], abs=5e-3)


def test_selu_and_elu_grow_under_he() -> None:
    assert mean_field("selu", TORCH).chi1 == pytest.approx(0.70, abs=5e-3)
    assert mean_field("selu", XAVIER).chi1 == pytest.approx(1.07, abs=5e-3)
    assert mean_field("selu", HE).q == math.inf
    assert mean_field("elu", HE).q == math.inf
    assert mean_field("softplus", HE).q == math.inf


def test_critical_points() -> None:
    assert mean_field("tanh", 1.75, 0.05).chi1 == pytest.approx(1, abs=5e-3)
    assert mean_field("relu", 2.0).depth == math.inf
    assert mean_field("tanh", 1.0).depth == math.inf
    assert all(mean_field("sigmoid", w2).chi1 < 1 for w2 in range(1, 31))


@pytest.mark.parametrize("act", ["tanh", "sigmoid", "gelu", "softplus", "hard-swish"])
@pytest.mark.parametrize(("w2", "b2"), [(0.5, 0.1), (1.5, 0.05), (1.8, 0.3)])
def test_fixed_point_is_where_iteration_ends(act: str, w2: float, b2: float) -> None:
    q = 1.0
    for _ in range(2000):
        q = next_variance(act, q, w2, b2)
    assert fixed_point(act, w2, b2) == pytest.approx(q, rel=1e-4)


def test_relu_variance_is_exact() -> None:
    assert next_variance("relu", 3.0, 2.0) == pytest.approx(3.0, abs=1e-12)
    assert next_variance("relu", 3.0, 1.0, 0.5) == pytest.approx(2.0, abs=1e-12)
    assert fixed_point("relu", 1.0, 0.5) == pytest.approx(1.0)
    assert fixed_point("relu", XAVIER) == 0
    assert fixed_point("relu", HE) == 1


def test_a_wide_random_net_follows_the_map() -> None:
    rng, width, q = np.random.default_rng(0), 1000, 1.0
    h = rng.standard_normal(width)
    slope = 1.0
    for _ in range(6):
        weights = rng.standard_normal((width, width)) * math.sqrt(1.5 / width)
        slope *= 1.5 * float(np.mean((1 - np.tanh(h) ** 2) ** 2))
        h = weights @ np.tanh(h)
        q = next_variance("tanh", q, 1.5)
        assert float(np.mean(h**2)) == pytest.approx(q, rel=0.2)
    assert chi1("tanh", 1.5, 1.0) < slope ** (1 / 6) < chi1("tanh", 1.5, q)


def test_depth_scale_has_its_limits() -> None:
    assert depth_scale(1.0) == math.inf
    assert depth_scale(0.0) == 0
    assert depth_scale(1 / math.e) == pytest.approx(1)
    assert depth_scale(math.e) == pytest.approx(1)


def test_errors_say_what_is_allowed() -> None:
    with pytest.raises(UsageError, match=r"act='swich' is unknown \(did you mean"):
        mean_field("swich", 1.0)
    with pytest.raises(UsageError, match="0 or more"):
        next_variance("relu", 1.0, -1.0)
