"""What was proven: trials, the paired effect, the verdict. Frozen data."""

from dataclasses import dataclass

from undertow.core.plan import Edit

LATE = "not run (budget)"  # fault of a trial whose time was over before it began


@dataclass(frozen=True, slots=True)
class Trial:
    """One training of one arm with one seed.

    Losses are relative to the best constant answer's: `train` is the mean over the last tenth of
    the steps, `held_back` on held-back data (None: none was given), `accuracy` the held-back share
    right (None where there are no classes). `fault` is why it could not run; `by_constant` False:
    that answer's loss cannot be known, and the start of the unrepaired net stands in its place.
    """

    arm: str
    seed: int
    steps: int
    train: float | None
    held_back: float | None = None
    accuracy: float | None = None
    first_bad_step: int | None = None
    symptoms: tuple[str, ...] = ()
    parameters: int = 0
    seconds: float = 0.0
    curve: tuple[float, ...] = ()
    fault: str = ""
    by_constant: bool = True


@dataclass(frozen=True, slots=True)
class Effect:
    """Mean paired difference (treated − control), its t interval and how many seeds agree."""

    value: float
    low: float
    high: float
    seeds: int
    agree: int
    metric: str = "held-back loss / constant loss"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a paired trial showed. `word` is one of the four of the vocabulary, `why` one sentence.

    `effect` is against the unrepaired control, `decoy` against the decoy arm (None: no decoy).
    """

    word: str
    effect: Effect | None
    interval: tuple[float, float] | None
    seeds: tuple[int, ...]
    trials: tuple[Trial, ...]
    side_effects: tuple[str, ...] = ()
    why: str = ""
    remedy: str = ""
    edits: tuple[Edit, ...] = ()
    decoy: Effect | None = None
