"""What a net says of one image."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Guess:
    """One class, by name and number, with its probability (0 to 1)."""

    label: str
    index: int
    probability: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a net says of one image.

    Attributes:
        image: the file, or the place among arrays.
        label: name of the most probable class; its number where there are no names.
        index: number of that class.
        probability: of that class, 0 to 1.
        top: the most probable classes, the first is the above.
        values: the outputs themselves, of nets that give no classes.
        error: why there is nothing of the above.
    """

    image: str
    label: str | None = None
    index: int | None = None
    probability: float | None = None
    top: tuple[Guess, ...] = ()
    values: tuple[float, ...] = ()
    error: str | None = None
