"""The verdict rule of the evidence book: paired t interval at 99 % and a margin fixed beforehand.

A study judges a claim; its four words are not those of a repair, which judges a change.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

SUPPORTED, REFUTED, DEPENDS, OPEN = "supported", "refuted", "depends", "inconclusive"
WORDS = (SUPPORTED, REFUTED, DEPENDS, OPEN)
HOLDS, OPPOSITE, ABSENT, UNDECIDED = "holds", "opposite", "absent", "undecided"
SEEDS = 5  # fewer are a demonstration
# Student's t, two-sided 99 %, by degrees of freedom (Fisher & Yates 1963, table III)
T99 = (
    63.657, 9.925, 5.841, 4.604, 4.032, 3.707, 3.499, 3.355, 3.250, 3.169,
    3.106, 3.055, 3.012, 2.977, 2.947, 2.921, 2.898, 2.878, 2.861, 2.845,
)  # fmt: skip
NORMAL = 2.576


@dataclass(frozen=True, slots=True)
class Condition:
    """One predicate and what came out: mean paired difference a − b, its interval, the outcome.

    `outcome` is "holds", "opposite" (shown the other way round), "absent" (the whole interval
    lies inside ± the margin of a difference that was claimed) or "undecided".
    """

    a: str
    relation: str
    b: str | float
    stat: str
    margin: float
    n: int
    mean: float
    low: float
    high: float
    outcome: str


def interval(values: Sequence[float]) -> tuple[float, float]:
    """99 % t interval of the mean; a point without spread, infinite with fewer than two values."""
    n = len(values)
    if n < 2:
        return -math.inf, math.inf
    t = T99[n - 2] if n - 2 < len(T99) else NORMAL
    half = t * stdev(values) / math.sqrt(n)
    return fmean(values) - half, fmean(values) + half


def outcome(relation: str, values: Sequence[float], margin: float, *, exact: bool = False) -> str:
    """The outcome of one predicate over the paired differences a − b.

    Args:
        relation: ">", "<" or "=".
        values: one difference a seed; a single one where `exact`.
        margin: the smallest difference that counts.
        exact: counts and identities: compared as they are.
    """
    if not values or (not exact and len(values) < SEEDS):
        return UNDECIDED
    mean = fmean(values)
    low, high = (mean, mean) if exact else interval(values)
    inside = -margin <= low and high <= margin
    above = low > 0 and mean >= margin and not (exact and inside)
    below = high < 0 and -mean >= margin and not (exact and inside)
    if relation == "=":
        return HOLDS if inside else OPPOSITE if above or below else UNDECIDED
    right, wrong = (above, below) if relation == ">" else (below, above)
    return HOLDS if right else OPPOSITE if wrong else ABSENT if inside else UNDECIDED


def word(outcomes: Sequence[str]) -> str:
    """The verdict on a claim from the outcomes of its conditions."""
    found = set(outcomes)
    failed = found & {OPPOSITE, ABSENT}
    if HOLDS in found and failed:
        return DEPENDS
    if found == {HOLDS}:
        return SUPPORTED
    if found and found == failed:
        return REFUTED
    return OPEN


def disagree(one: str, other: str) -> bool:
    """Whether two verdicts on one claim contradict each other."""
    return {one, other} == {SUPPORTED, REFUTED}
