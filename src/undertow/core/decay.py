"""How much gradient is lost on the way from the last hidden layer to the first."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

LOST = 2.0  # decades of gradient lost towards the input
DECADES = 3.0  # of these: vanishing by itself,
STEEP = 0.174  # or so many a layer (a factor .67), over LAYERS or more, fitted with R² > FIT
LAYERS, FIT = 5, 0.8


@dataclass(frozen=True, slots=True)
class Decay:
    """Decades of gradient lost from the last hidden layer to the first.

    `total` may be negative (growth towards the input) or infinite (`underflow`: an exact 0 below
    a value); `per_layer` is the robust (Theil-Sen) slope over order and `fit` its R².
    """

    total: float
    per_layer: float
    fit: float
    layers: int
    underflow: bool = False


def decay(grads: Mapping[str, float]) -> Decay | None:
    """log10 of last over first `grad_l2`, in float64; None: too few, not finite, or all 0."""
    values = list(grads.values())
    if len(values) < 2 or not all(map(math.isfinite, values)) or not any(values):
        return None
    if values[-1] > 0 and min(values) == 0:
        return Decay(math.inf, 0.0, 0.0, len(values), underflow=True)
    if min(values) <= 0:
        return None
    logs = [math.log10(v) for v in values]
    return Decay(logs[-1] - logs[0], *theil_sen(logs), len(values))


def theil_sen(y: Sequence[float]) -> tuple[float, float]:
    """Median of all pairwise slopes of y over 0, 1, 2..., and the R² of that line."""
    pairs = [(y[j] - y[i]) / (j - i) for i in range(len(y)) for j in range(i + 1, len(y))]
    slope = median(pairs)
    cut = median(v - slope * i for i, v in enumerate(y))
    mean = sum(y) / len(y)
    total = sum((v - mean) ** 2 for v in y)
    rest = sum((v - slope * i - cut) ** 2 for i, v in enumerate(y))
    return slope, 1 - rest / total if total > 0 else 1.0
