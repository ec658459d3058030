"""The verdict rule: its interval, its four words, and how often it errs on nothing."""

import math
import random

import pytest
from scipy.stats import t

from undertow.studies import verdict
from undertow.studies.verdict import (
    ABSENT,
    DEPENDS,
    HOLDS,
    OPEN,
    OPPOSITE,
    REFUTED,
    SUPPORTED,
    UNDECIDED,
    outcome,
    word,
)


@pytest.mark.parametrize("df", range(1, 21))
def test_the_table_is_students(df: int) -> None:
    assert verdict.T99[df - 1] == pytest.approx(t.ppf(0.995, df), abs=6e-4)


def test_half_widths_are_those_of_the_book() -> None:
    for n, half in ((5, 2.06), (10, 1.03)):
        values = [0.0, 1.0] * (n // 2) + ([0.5] if n % 2 else [])
        mean = sum(values) / n
        sd = math.sqrt(sum((v - mean) ** 2 for v in values) / (n - 1))
        low, high = verdict.interval(values)
        assert (high - low) / 2 / sd == pytest.approx(half, abs=0.005)


def test_one_value_has_no_interval() -> None:
    assert verdict.interval([3.0]) == (-math.inf, math.inf)
    assert verdict.interval([3.0] * 5) == (3.0, 3.0)


@pytest.mark.parametrize(
    ("relation", "values", "expected"),
    [
        (">", [1.0, 1.1, 0.9, 1.0, 1.0], HOLDS),
        ("<", [1.0, 1.1, 0.9, 1.0, 1.0], OPPOSITE),
        (">", [0.1, 0.1, 0.1, 0.1, 0.1], ABSENT),  # there, but below the margin
        (">", [0.0, 1.0, -1.0, 2.0, 1.0], UNDECIDED),
        ("=", [0.1, -0.1, 0.0, 0.05, -0.05], HOLDS),
        ("=", [1.0, 1.1, 0.9, 1.0, 1.0], OPPOSITE),
        ("=", [0.0, 1.0, -1.0, 2.0, 1.0], UNDECIDED),
        (">", [5.0, 5.0, 5.0, 5.0], UNDECIDED),  # four seeds are a demonstration
        (">", [], UNDECIDED),
    ],
)
def test_outcomes(relation: str, values: list[float], expected: str) -> None:
    assert outcome(relation, values, 0.5) == expected


@pytest.mark.parametrize(
    ("relation", "value", "margin", "expected"),
    [
        ("=", 0.0, 0.0, HOLDS),
        ("=", 1.0, 0.0, OPPOSITE),
        (">", 1.0, 0.0, HOLDS),
        (">", 0.0, 0.0, ABSENT),
        ("<", 1.0, 0.0, OPPOSITE),
        (">", 1.0, 5.0, ABSENT),
    ],
)
def test_exact_claims_need_no_seeds(
    relation: str, value: float, margin: float, expected: str
) -> None:
    assert outcome(relation, [value], margin, exact=True) == expected


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([HOLDS, HOLDS], SUPPORTED),
        ([OPPOSITE, ABSENT], REFUTED),
        ([HOLDS, OPPOSITE], DEPENDS),
        ([HOLDS, ABSENT, UNDECIDED], DEPENDS),
        ([HOLDS, UNDECIDED], OPEN),
        ([OPPOSITE, UNDECIDED], OPEN),
        ([], OPEN),
    ],
)
def test_words(outcomes: list[str], expected: str) -> None:
    assert word(outcomes) == expected


def test_null_cells_are_seldom_called_an_effect() -> None:
    """No difference at all, five seeds: yes, in either direction, in at most 1.5 % of cells."""
    draw, cells = random.Random(0), 20_000
    called = 0
    for _ in range(cells):
        values = [draw.gauss(0, 1) for _ in range(5)]
        called += outcome(">", values, 0.0) in (HOLDS, OPPOSITE)
    assert called / cells <= 0.015


def test_two_disjoint_sets_of_seeds_never_contradict() -> None:
    """Effects of any size between none and twice the margin, 5 seeds a set."""
    draw = random.Random(1)
    for _ in range(3_000):
        true, noise = draw.uniform(-1, 1), draw.uniform(0.01, 1.0)
        one, other = (
            word([outcome(">", [draw.gauss(true, noise) for _ in range(5)], 0.5)]) for _ in "ab"
        )
        assert not verdict.disagree(one, other) or abs(true) > 0.4  # at the margin it may
    assert verdict.disagree(SUPPORTED, REFUTED)
    assert not verdict.disagree(SUPPORTED, OPEN)
