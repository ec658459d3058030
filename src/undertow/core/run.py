"""What `ut.train` returns."""

from dataclasses import dataclass
from pathlib import Path

from undertow.core.record import Scalars


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Held-back results after some step: loss, share right (None without classes), samples."""

    step: int
    loss: float
    accuracy: float | None
    samples: int


@dataclass(frozen=True, slots=True)
class Run:
    """A finished (or interrupted) training: its folder, every step's scalars, its evaluations."""

    folder: Path
    metrics: tuple[Scalars, ...]
    evaluations: tuple[Evaluation, ...] = ()
    best: Evaluation | None = None
    interrupted: bool = False
