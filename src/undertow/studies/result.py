"""What a study found, as frozen data: stored as JSON, printed as text, quoted by the chapters."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from statistics import fmean, median
from typing import Any

from undertow.core.codec import decode, encode
from undertow.core.errors import unknown
from undertow.studies.study import Statistic
from undertow.studies.verdict import Condition

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Number:
    """One statistic of one arm over the seeds that finished; `values` in the order of `seeds`."""

    stat: str
    mean: float
    median: float
    low: float
    high: float
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ArmResult:
    """One arm: its numbers, and profiles of its first seed (over layers or steps) for figures."""

    arm: str
    seeds: tuple[int, ...]
    numbers: tuple[Number, ...]
    profiles: tuple[tuple[str, tuple[float, ...]], ...] = ()
    faults: tuple[str, ...] = ()

    def number(self, stat: str) -> Number | None:
        """The numbers of a statistic; None where it was not measured."""
        return next((n for n in self.numbers if n.stat == stat), None)

    def of(self, seeds: Sequence[int]) -> "ArmResult":
        """Only some seeds."""
        kept = [i for i, seed in enumerate(self.seeds) if seed in seeds]
        parts = ((n.stat, tuple(n.values[i] for i in kept)) for n in self.numbers)
        numbers = tuple(number_of(stat, values) for stat, values in parts if values)
        return replace(self, seeds=tuple(self.seeds[i] for i in kept), numbers=numbers)


def number_of(stat: str, values: tuple[float, ...]) -> Number:
    """The numbers of the values of some seeds; whole ones stay exact, also through JSON."""
    values = tuple(int(v) if float(v).is_integer() else v for v in values)
    mean = values[0] if len(set(values)) == 1 else fmean(values)
    return Number(stat, mean, median(values), min(values), max(values), values)


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """One claim, its conditions as they came out, the verdict and the verdict foreseen."""

    id: str
    says: str
    verdict: str
    foreseen: str
    instead: str
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """A finished study: `form` is "quick" or "full", `on` the user's network it was asked of.

    `sha` is that of the study's own file, or of what a user's network is; of that, `foreseen` of a
    claim is what the book found on its own networks.
    """

    study: str
    question: str
    says: str
    form: str
    seeds: tuple[int, ...]
    data: str
    steps: int
    exact: bool
    margins: str
    source: str
    statistics: tuple[Statistic, ...]
    arms: tuple[ArmResult, ...]
    claims: tuple[ClaimResult, ...]
    sha: str
    versions: tuple[tuple[str, str], ...]
    hardware: str
    date: str
    seconds: float
    command: str
    held: str = ""
    on: str = ""
    format: int = FORMAT

    def arm(self, label: str) -> ArmResult:
        """The arm of a label.

        Raises:
            UsageError: the study has no such arm.
        """
        for found in self.arms:
            if found.arm == label:
                return found
        raise unknown(f"arm of study {self.study}", label, [a.arm for a in self.arms])

    def of(self, seeds: Sequence[int]) -> "Result":
        """Only the cells of some seeds; the claims stay those of all."""
        return replace(self, seeds=tuple(seeds), arms=tuple(a.of(seeds) for a in self.arms))

    def to_json(self) -> str:
        """The stored form."""
        return json.dumps(encode(self), indent=1, ensure_ascii=False)

    def to_text(self, *, width: int = 100, ascii_only: bool = False) -> str:
        """Question, table with a chart, and the verdict on every claim."""
        from undertow.studies.text import shown

        return shown(self, width, ascii_only=ascii_only)

    def __str__(self) -> str:
        return self.to_text()


def from_json(text: str) -> Result:
    """The result a JSON text holds."""
    result = decode(Result, json.loads(text))
    return result.of(result.seeds)


@cache
def stored() -> dict[str, Result]:
    """Every committed result by study id, without torch."""
    home = files("undertow.studies") / "results"
    found: dict[str, Any] = {}
    for file in sorted(home.iterdir(), key=lambda f: f.name):
        if file.name.endswith(".json"):
            result = from_json(file.read_text(encoding="utf-8"))
            found[result.study] = result
    return found
