"""Mean field of wide plain layers: variance map, its fixed point, χ₁ and the depth scale.

Weights have variance σ_w²/fan_in, biases σ_b² (Poole et al. 2016; Schoenholz et al. 2017).
"""

import math
from dataclasses import dataclass

from undertow.core.activation import FACTS, ActivationFacts, expectation
from undertow.core.errors import UsageError, unknown

SMALLEST, LARGEST = 1e-12, 1e8  # variances a fixed point is looked for in; beyond, rounding rules
LIMIT = 1e-24  # stands for q -> 0
VANISHED = 1e-9  # a fixed point below it is called 0: there rounding decides where it lies
NEUTRAL = 1e-9  # relative change in one layer that counts as none


@dataclass(frozen=True, slots=True)
class MeanField:
    """An infinitely wide plain net far from its input.

    Attributes:
        q: variance the pre-activations settle at; 0 they vanish, inf they explode.
        chi1: factor on the squared gradient of every layer at q; < 1 vanishes, > 1 explodes.
        depth: layers over which a signal fades by e, 1/|ln χ₁|; inf at criticality.
    """

    q: float
    chi1: float
    depth: float


def next_variance(act: str, q: float, w2: float, b2: float = 0.0) -> float:
    """Pre-activation variance one layer on, q' = σ_w² E f(√q z)² + σ_b².

    Raises:
        UsageError: an unknown activation, or a variance below 0.
    """
    facts = _facts(act)
    if min(q, w2, b2) < 0:
        raise UsageError(f"variances q={q:g}, w2={w2:g}, b2={b2:g} must be 0 or more")
    return _mapped(facts, q, w2, b2)


def fixed_point(act: str, w2: float, b2: float = 0.0) -> float:
    """The variance q* that 1 settles at; 0 where it vanishes, inf where it grows without end.

    The map rises with q for every activation here, so the orbit of 1 moves one way only, to the
    nearest fixed point.
    """
    facts = _facts(act)
    start = _mapped(facts, 1.0, w2, b2)
    if abs(start - 1) <= NEUTRAL:
        return 1.0
    step = 2.0 if start > 1 else 0.5
    near, far = 1.0, step
    while SMALLEST <= far <= LARGEST:
        if (_mapped(facts, far, w2, b2) > far) != (start > 1):
            found = _bisect(facts, near, far, w2, b2)
            return found if found > VANISHED else 0.0
        near, far = far, far * step
    return math.inf if start > 1 else 0.0


def chi1(act: str, w2: float, q: float) -> float:
    """Factor on the squared gradient at each layer, backwards: χ₁ = σ_w² E f'(√q z)².

    Args:
        act: activation word.
        w2: σ_w², weight variance times fan-in.
        q: pre-activation variance; 0 is the limit from above, inf from below.
    """
    bounded = min(max(q, LIMIT), LARGEST)
    return w2 * expectation(_facts(act).slope, 2, bounded)


def depth_scale(chi: float) -> float:
    """1/|ln χ₁| in layers; inf at χ₁ = 1, 0 at χ₁ = 0."""
    if chi <= 0:
        return 0.0
    fade = abs(math.log(chi))
    return 1 / fade if fade > NEUTRAL else math.inf


def mean_field(act: str, w2: float, b2: float = 0.0) -> MeanField:
    """Fixed point, χ₁ there, and depth scale of a plain net of this activation.

    Args:
        act: activation word.
        w2: σ_w²: 1/3 is torch's default, 1 Xavier at equal widths, 2 He.
        b2: σ_b².

    Raises:
        UsageError: an unknown activation.
    """
    q = fixed_point(act, w2, b2)
    chi = chi1(act, w2, q)
    return MeanField(q, chi, depth_scale(chi))


def _facts(act: str) -> ActivationFacts:
    if act not in FACTS:
        raise unknown("act", act, FACTS)
    return FACTS[act]


def _mapped(facts: ActivationFacts, q: float, w2: float, b2: float) -> float:
    return w2 * expectation(facts.f, 2, max(q, LIMIT)) + b2


def _bisect(facts: ActivationFacts, a: float, b: float, w2: float, b2: float) -> float:
    low, high = min(a, b), max(a, b)
    for _ in range(60):
        middle = math.sqrt(low * high)
        if _mapped(facts, middle, w2, b2) > middle:
            low = middle
        else:
            high = middle
    return math.sqrt(low * high)
