"""A user's own settings: findings that are not to be reported, and limits other than the usual."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from undertow.core.decay import DECADES, STEEP
from undertow.core.errors import UsageError, unknown
from undertow.core.finding import Evidence, Symptom
from undertow.core.words import SYMPTOMS as IDS
from undertow.diagnosis.symptoms import (
    collapse,
    dead,
    exploding,
    overfit,
    progress,
    saturated,
)

LIMITS = {  # name -> the usual limit; units stand beside the constants
    "vanishing-decades": DECADES,
    "vanishing-per-layer": STEEP,
    "exploding-decades": exploding.DECADES,
    "exploding-per-layer": exploding.STEEP,
    "exploding-first-loss": exploding.FIRST_LOSS,
    "collapse-spread": collapse.COLLAPSED,
    "dead-share": dead.MOST,
    "dead-note-share": dead.MANY,
    "saturated-share": saturated.MOST,
    "oscillation-update": progress.SWING,
    "overfit-rise": overfit.TURNED,
}
SHARES = ("collapse-spread", "dead-share", "dead-note-share", "saturated-share")
KEYS = ("ignore", "limits")


@dataclass(frozen=True, slots=True)
class Ignore:
    """A finding that is not to be reported: its id, and where ("*" = everywhere)."""

    id: str
    where: str = "*"

    def covers(self, layer: str) -> bool:
        """Whether a layer's path (without its "#2") is meant."""
        return fnmatchcase(layer, self.where) or fnmatchcase(layer.split("#")[0], self.where)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a user set, and the name of the file it stands in."""

    ignore: tuple[Ignore, ...] = ()
    limits: tuple[tuple[str, float], ...] = ()
    source: str = ""

    @property
    def told(self) -> tuple[str, ...]:
        """One sentence a changed limit, for the report."""
        return tuple(
            f"limit {name} is {value:g} by {self.source}, {LIMITS[name]:g} unless set"
            for name, value in self.limits
        )


PLAIN = Settings()


def settings_of(table: Mapping[str, object], source: str) -> Settings:
    """The settings of a `[tool.undertow]` table.

    Args:
        table: `ignore`, a list of ids as "UT104" or "UT104:features.*" (words as "dead-units" do
            too), and `limits`, numbers by name.
        source: the file, for messages.

    Raises:
        UsageError: an unknown key, id or limit, or a value of the wrong kind.
    """
    for key in table:
        if key not in KEYS:
            raise unknown(f"{source}: [tool.undertow] key", key, KEYS)
    ignore, limits = table.get("ignore", []), table.get("limits", {})
    if not isinstance(ignore, list) or not all(isinstance(x, str) for x in ignore):
        raise UsageError(f'{source}: ignore={ignore!r} is no list of ids; give ["UT104"]')
    if not isinstance(limits, dict):
        raise UsageError(f"{source}: limits={limits!r} is no table; give {{ dead-share = 0.95 }}")
    found = tuple((name, _limit(name, value, source)) for name, value in limits.items())
    return Settings(tuple(_ignored(x, source) for x in ignore), found, source)


def silenced(found: Sequence[Symptom], settings: Settings, notes: list[str]) -> tuple[Symptom, ...]:
    """The symptoms without what is not to be reported; `notes` gets a sentence on each of those.

    A finding of several layers keeps those that are not meant; one of the whole net goes only
    where its id is given without a place.
    """
    kept = []
    for s in found:
        mine = [i for i in settings.ignore if i.id == s.id]
        gone = tuple(y for y in s.layers if any(i.covers(y) for i in mine))
        whole = any(i.where == "*" for i in mine)
        if gone or whole:
            at = f" at {', '.join(gone)}" if gone else ""
            notes.append(f"silenced by {settings.source}: {s.id} {s.name}{at}")
        rest = tuple(y for y in s.layers if y not in gone)
        if not whole and (rest or not s.layers):
            kept.append(replace(s, layers=rest, evidence=_of(s, gone)) if gone else s)
    return tuple(kept)


def _of(s: Symptom, gone: Sequence[str]) -> tuple[Evidence, ...]:
    """The evidence of the layers that stay; all of it where none names one."""
    return tuple(e for e in s.evidence if e.layer not in gone) or s.evidence


def _ignored(text: str, source: str) -> Ignore:
    word, _, where = text.partition(":")
    meant = IDS.get(word, word)
    if meant not in IDS.values():
        raise unknown(f"{source}: ignore", word, (*IDS.values(), *IDS))
    return Ignore(meant, where or "*")


def _limit(name: str, value: object, source: str) -> float:
    if name not in LIMITS:
        raise unknown(f"{source}: limit", name, LIMITS)
    top = 1.0 if name in SHARES else float("inf")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= top:
        allowed = "above 0" if top > 1 else "above 0 and at most 1"
        raise UsageError(f"{source}: {name}={value!r} is no limit; give a number {allowed}")
    return float(value)
