"""What `ut.train` returns."""

from dataclasses import dataclass
from pathlib import Path

from undertow.core.record import Scalars


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Held-back results after some step: loss, share right (None without classes), samples.

    `balanced` is the mean over classes of the share right; the `ema` pair is of averaged weights;
    `same` is the share of predictions that are of the class predicted most.
    """

    step: int
    loss: float
    accuracy: float | None
    samples: int
    balanced: float | None = None
    ema_loss: float | None = None
    ema_accuracy: float | None = None
    same: float | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A finished (or interrupted) training: its folder, every step's scalars, its evaluations.

    `notes` says what a reader should know: skipped files, clipped steps, why it ended early.
    """

    folder: Path
    metrics: tuple[Scalars, ...]
    evaluations: tuple[Evaluation, ...] = ()
    best: Evaluation | None = None
    interrupted: bool = False
    notes: tuple[str, ...] = ()
