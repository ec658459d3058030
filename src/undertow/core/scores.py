"""What an evaluation counts: whole numbers, and the shares computed from them. Frozen data."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

Z = 1.959963984540054  # 95 % of a normal distribution lie within ± so many deviations
Confusion = tuple[tuple[int, ...], ...]


def wilson(right: int, n: int) -> tuple[float, float]:
    """95 % interval of a share of independent trials, inside 0..1 also at its ends.

    Wilson, J. Am. Stat. Assoc. 22 (1927) 209.

    Args:
        right: trials that came out so, 0..n.
        n: trials; (0, 1) where there are none.
    """
    if n == 0:
        return 0.0, 1.0
    share, extra = right / n, Z * Z / n
    middle = (share + extra / 2) / (1 + extra)
    half = Z * math.sqrt(share * (1 - share) / n + extra / (4 * n)) / (1 + extra)
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return (0.0 if right == 0 else low), (1.0 if right == n else high)


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One class: samples of it, samples taken for it, and how many of both are right.

    A share of nothing is None: precision of a class never predicted, recall of one never seen.
    """

    name: str
    support: int
    predicted: int
    right: int

    @property
    def precision(self) -> float | None:
        """Share of the samples taken for it that are of it."""
        return self.right / self.predicted if self.predicted else None

    @property
    def recall(self) -> float | None:
        """Share of the samples of it that are taken for it."""
        return self.right / self.support if self.support else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall: 2·right / (support + predicted)."""
        both = self.support + self.predicted
        return 2 * self.right / both if both else None


@dataclass(frozen=True, slots=True)
class Bin:
    """Predictions with a confidence in (low, high]: how many, their mean confidence, how many true.

    True is a right prediction; for one sigmoid unit, a sample of class 1.
    """

    low: float
    high: float
    n: int
    confidence: float
    right: int


@dataclass(frozen=True, slots=True)
class Binary:
    """What one sigmoid unit is worth at every threshold; None where a class is missing.

    Attributes:
        roc_area: chance that a sample of class 1 scores above one of class 0 (ties count half).
        pr_area: average precision: Σ (R_n − R_{n−1})·P_n over the thresholds.
        brier: mean squared distance of the probability from the label.
    """

    roc_area: float | None
    pr_area: float | None
    brier: float


@dataclass(frozen=True, slots=True)
class Miss:
    """A sample of high loss: where it is from, its class, what it was taken for, how surely.

    `probability` is that of its own class, `confidence` that of the guess.
    """

    name: str
    label: str
    guess: str
    loss: float
    probability: float
    confidence: float


def class_scores(confusion: Confusion, names: Sequence[str]) -> tuple[ClassScore, ...]:
    """Every class of a confusion matrix: rows are the true classes, columns the guesses."""
    guessed = [sum(column) for column in zip(*confusion, strict=True)]
    return tuple(
        ClassScore(name, sum(row), guessed[i], row[i])
        for i, (name, row) in enumerate(zip(names, confusion, strict=True))
    )


def balanced_accuracy(scores: Sequence[ClassScore]) -> float | None:
    """Mean recall over the classes that have samples."""
    recalls = [s.recall for s in scores if s.recall is not None]
    return sum(recalls) / len(recalls) if recalls else None


def calibration_error(bins: Sequence[Bin]) -> float | None:
    """Expected calibration error: Σ n_b/n·|share true − mean confidence| (Guo et al. 2017, eq. 3).

    Args:
        bins: of equal width.
    """
    n = sum(b.n for b in bins)
    return sum(abs(b.right - b.n * b.confidence) for b in bins) / n if n else None
