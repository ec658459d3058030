"""What the list of studies says of each, from the stored results and without torch."""

import textwrap
from dataclasses import dataclass

from undertow.studies import NAMES
from undertow.studies.result import Result, stored

MARGIN = "    "


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of the list: what it asks, what it found (claim id, verdict), when, how long."""

    id: str
    question: str
    verdicts: tuple[tuple[str, str], ...]
    form: str
    date: str
    seconds: float

    def line(self, width: int = 100) -> str:
        """Name, question, verdicts, date and seconds, as printed."""
        said = ", ".join(f"{claim}\u00a0{word}" for claim, word in self.verdicts) or "not run yet"
        when = f"{self.form}, {self.date}, {self.seconds:.0f} s" if self.date else ""
        wrapped = [
            textwrap.fill(text, width, initial_indent=MARGIN, subsequent_indent=MARGIN)
            for text in (self.question, said, when)
            if text
        ]
        return "\n".join((self.id, *wrapped)).replace("\u00a0", " ")


def listed() -> tuple[Listed, ...]:
    """Every study in the order of the list; one that was never run has no verdicts."""
    found = stored()
    return tuple(_line(name, found.get(name)) for name in NAMES)


def _line(name: str, result: Result | None) -> Listed:
    if result is None:
        return Listed(name, "", (), "", "", 0.0)
    verdicts = tuple((c.id, c.verdict) for c in result.claims)
    return Listed(name, result.question, verdicts, result.form, result.date, result.seconds)
