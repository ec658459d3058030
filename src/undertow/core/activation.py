"""Facts of every activation: formula, slope, range, saturation, moments and gains. No torch.

The moments are of f(z) with z standard normal, by Gauss-Legendre quadrature on first use.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

Scalar = Callable[[float], float]

SELU_SCALE = 1.0507009873554805  # Klambauer et al. 2017, eq. 2: λ and α that keep mean 0, var 1
SELU_ALPHA = 1.6732632423543772
LEAK = 0.01  # slope of leaky-relu below 0 (torch's default)
PRELU_LEAK = 0.25  # slope of prelu below 0 at the start: He et al. 2015, sec. 2.1
HARD_SWISH_EDGE = 3.0  # hard-swish is 0 below -3 and x above 3: Howard et al. 2019, sec. 5.2
REACH = 12  # standard deviations integrated on each side; beyond it φ < 1e-31
NODES = 16  # quadrature points between two break points
CONVERGED = 1e-15  # Newton step on [-1, 1] below which a node is exact in float64


def sigmoid(x: float) -> float:
    """1/(1 + e⁻ˣ), without overflow for any x."""
    if x >= 0:
        return 1 / (1 + math.exp(-x))
    e = math.exp(x)
    return e / (1 + e)


def _sigmoid_slope(x: float) -> float:
    return sigmoid(x) * sigmoid(-x)


def _tanh_slope(x: float) -> float:
    return 1 - math.tanh(x) ** 2


def _relu(x: float) -> float:
    return max(x, 0.0)


def _relu_slope(x: float) -> float:
    return 1.0 if x > 0 else 0.0


def _leaky(x: float) -> float:
    return x if x > 0 else LEAK * x


def _leaky_slope(x: float) -> float:
    return 1.0 if x > 0 else LEAK


def _prelu(x: float) -> float:
    return x if x > 0 else PRELU_LEAK * x


def _prelu_slope(x: float) -> float:
    return 1.0 if x > 0 else PRELU_LEAK


def _elu(x: float) -> float:
    return x if x > 0 else math.expm1(x)


def _elu_slope(x: float) -> float:
    return 1.0 if x > 0 else math.exp(x)


def _selu(x: float) -> float:
    return SELU_SCALE * (x if x > 0 else SELU_ALPHA * math.expm1(x))


def _selu_slope(x: float) -> float:
    return SELU_SCALE * (1.0 if x > 0 else SELU_ALPHA * math.exp(x))


def _density(x: float) -> float:
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def _share_below(x: float) -> float:
    return math.erfc(-x / math.sqrt(2)) / 2


def _gelu(x: float) -> float:
    return x * _share_below(x)


def _gelu_slope(x: float) -> float:
    return _share_below(x) + x * _density(x)


def _silu(x: float) -> float:
    return x * sigmoid(x)


def _silu_slope(x: float) -> float:
    return sigmoid(x) * (1 + x * sigmoid(-x))


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _mish(x: float) -> float:
    return x * math.tanh(_softplus(x))


def _mish_slope(x: float) -> float:
    t = math.tanh(_softplus(x))
    return t + x * (1 - t * t) * sigmoid(x)


def _hard_swish(x: float) -> float:
    return x * min(max(x + HARD_SWISH_EDGE, 0.0), 2 * HARD_SWISH_EDGE) / (2 * HARD_SWISH_EDGE)


def _hard_swish_slope(x: float) -> float:
    if abs(x) >= HARD_SWISH_EDGE:
        return 1.0 if x > 0 else 0.0
    return (2 * x + HARD_SWISH_EDGE) / (2 * HARD_SWISH_EDGE)


def _identity(x: float) -> float:
    return x


def _one(x: float) -> float:
    return 1.0


@dataclass(frozen=True, slots=True)
class ActivationFacts:
    """What is known about one activation.

    Attributes:
        name: the word.
        formula: f(x) in print.
        range: infimum and supremum of f.
        f: the function itself, on floats.
        slope: its derivative f'; at a kink the value torch uses.
        top_slope: supremum of f'.
        bottom_slope: infimum of f'.
        saturates: |x| beyond which the slope is under 5 % of the top on both sides; None: never.
        zero_centred: whether f(z) has mean 0 for z symmetric about 0 (selu: for z standard normal).
        relu_family: whether it is exactly 0 for every x ≤ 0, so that a unit can be dead.
        negative_slope: f(x)/x for x < 0 where it is constant; None elsewhere.
        source: where it was introduced.
    """

    name: str
    formula: str
    range: tuple[float, float]
    f: Scalar
    slope: Scalar
    top_slope: float
    bottom_slope: float
    saturates: float | None = None
    zero_centred: bool = False
    relu_family: bool = False
    negative_slope: float | None = None
    source: str = ""

    @property
    def mean(self) -> float:
        """E f(z), z standard normal."""
        return expectation(self.f, 1)

    @property
    def second(self) -> float:
        """E f(z)², z standard normal."""
        return expectation(self.f, 2)

    @property
    def slope_second(self) -> float:
        """E f'(z)², z standard normal."""
        return expectation(self.slope, 2)

    @property
    def gain(self) -> float:
        """1/√E f²: the weight gain that keeps the forward second moment at 1."""
        return 1 / math.sqrt(self.second)

    @property
    def gain_backward(self) -> float:
        """1/√E f'²: the weight gain that keeps the gradient's second moment."""
        return 1 / math.sqrt(self.slope_second)


@cache
def _gauss_legendre(n: int) -> tuple[tuple[float, float], ...]:
    """Nodes and weights on [-1, 1], by Newton's method on the Legendre polynomial."""
    rule = []
    for i in range(n):
        x, slope = math.cos(math.pi * (i + 0.75) / (n + 0.5)), 1.0
        for _ in range(50):  # converges quadratically: five or six rounds in practice
            before, now = 1.0, x
            for k in range(2, n + 1):
                before, now = now, ((2 * k - 1) * x * now - (k - 1) * before) / k
            slope = n * (x * now - before) / (x * x - 1)
            x, step = x - now / slope, now / slope
            if abs(step) < CONVERGED:
                break
        rule.append((x, 2 / ((1 - x * x) * slope * slope)))
    return tuple(rule)


@cache
def expectation(g: Scalar, power: int = 1, q: float = 1.0) -> float:
    """E g(√q·z)ᵖ over a standard normal z; error below 1e-10 for the functions of this file.

    Args:
        g: an activation or its slope.
        power: p.
        q: variance of the argument, > 0.
    """
    scale = math.sqrt(q)
    edge = HARD_SWISH_EDGE / scale  # with 0, the only kinks of any slope here
    cuts = {float(k) for k in range(-REACH, REACH + 1)} | {e for e in (-edge, edge) if edge < REACH}
    ends = sorted(cuts)
    total = 0.0
    for low, high in pairwise(ends):
        half, middle = (high - low) / 2, (high + low) / 2
        for node, weight in _gauss_legendre(NODES):
            z = middle + half * node
            total += half * weight * _density(z) * g(scale * z) ** power
    return total


INF = math.inf
_ALL = (
    ActivationFacts(
        "sigmoid", "1/(1 + e⁻ˣ)", (0, 1), sigmoid, _sigmoid_slope, 0.25, 0.0, saturates=4.4,
        source="LeCun et al. 1998, sec. 4.4",
    ),
    ActivationFacts(
        "tanh", "tanh x", (-1, 1), math.tanh, _tanh_slope, 1.0, 0.0, saturates=2.2,
        zero_centred=True, source="LeCun et al. 1998, sec. 4.4",
    ),
    ActivationFacts(
        "relu", "max(0, x)", (0, INF), _relu, _relu_slope, 1.0, 0.0, relu_family=True,
        negative_slope=0.0, source="Nair & Hinton 2010",
    ),
    ActivationFacts(
        "leaky-relu", "x or 0.01x", (-INF, INF), _leaky, _leaky_slope, 1.0, LEAK,
        negative_slope=LEAK, source="Maas et al. 2013",
    ),
    ActivationFacts(
        "prelu", "x or ax, a learnt from 0.25", (-INF, INF), _prelu, _prelu_slope, 1.0, PRELU_LEAK,
        negative_slope=PRELU_LEAK, source="He et al. 2015, sec. 2.1",
    ),
    ActivationFacts(
        "elu", "x or eˣ − 1", (-1, INF), _elu, _elu_slope, 1.0, 0.0,
        source="Clevert et al. 2016",
    ),
    ActivationFacts(
        "selu", "λx or λα(eˣ − 1)", (-SELU_SCALE * SELU_ALPHA, INF), _selu, _selu_slope,
        SELU_SCALE * SELU_ALPHA, 0.0, zero_centred=True, source="Klambauer et al. 2017",
    ),
    ActivationFacts(
        "gelu", "x·Φ(x)", (-0.16997, INF), _gelu, _gelu_slope, 1.128904, -0.128904,
        source="Hendrycks & Gimpel 2016",
    ),
    ActivationFacts(
        "silu", "x/(1 + e⁻ˣ)", (-0.27846, INF), _silu, _silu_slope, 1.099839, -0.099839,
        source="Elfwing et al. 2018",
    ),
    ActivationFacts(
        "mish", "x·tanh(ln(1 + eˣ))", (-0.30884, INF), _mish, _mish_slope, 1.088498, -0.112526,
        source="Misra 2019",
    ),
    ActivationFacts(
        "softplus", "ln(1 + eˣ)", (0, INF), _softplus, sigmoid, 1.0, 0.0,
        source="Dugas et al. 2001",
    ),
    ActivationFacts(
        "hard-swish", "x·min(max(x + 3, 0), 6)/6", (-0.375, INF), _hard_swish, _hard_swish_slope,
        1.5, -0.5, source="Howard et al. 2019, sec. 5.2",
    ),
    ActivationFacts(
        "identity", "x", (-INF, INF), _identity, _one, 1.0, 1.0, zero_centred=True,
        negative_slope=1.0,
    ),
)  # fmt: skip
FACTS: dict[str, ActivationFacts] = {facts.name: facts for facts in _ALL}
SLOPES = {  # f'(x) in print; σ is the sigmoid, Φ and φ the normal distribution and its density
    "sigmoid": "σ(x)·(1 − σ(x))",
    "tanh": "1 − tanh² x",
    "relu": "1 or 0",
    "leaky-relu": "1 or 0.01",
    "prelu": "1 or a",
    "elu": "1 or eˣ",
    "selu": "λ or λαeˣ",
    "gelu": "Φ(x) + x·φ(x)",
    "silu": "σ(x)·(1 + x·σ(−x))",
    "mish": "t + x(1 − t²)·σ(x)",  # t = tanh(ln(1 + eˣ))
    "softplus": "1/(1 + e⁻ˣ)",
    "hard-swish": "0, (2x + 3)/6 or 1",
    "identity": "1",
}
