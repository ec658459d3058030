"""Rules in, a diagnosis out. A rule that raises becomes a note: judgement never breaks a run."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from undertow.core.finding import Cause, Diagnosis, Symptom
from undertow.core.gate import verdict_after
from undertow.core.record import Record
from undertow.core.rule import Rule
from undertow.diagnosis import CAUSES, SYMPTOMS, mechanism
from undertow.diagnosis.causes.standing import ranked
from undertow.diagnosis.settings import PLAIN, Settings, silenced

T = TypeVar("T")
YIELDING = "no-progress"  # says only that it fails: silent where a symptom says more
BESIDE = ("no-progress", "oscillation", "overfit")  # symptoms that do not say more


def diagnose(
    record: Record,
    symptoms: Sequence[Rule[Symptom]] = SYMPTOMS,
    causes: Sequence[Rule[Cause]] = CAUSES,
    settings: Settings = PLAIN,
) -> Diagnosis:
    """What a record shows: symptoms, one mechanism, ranked causes; remedies are ranked elsewhere.

    Args:
        record: of a check or of a run, finished or not.
        symptoms: the rules that say what is wrong and where; (*SYMPTOMS, mine) adds one.
        causes: the rules that say which factor explains it.
        settings: the user's own limits, and findings that are not to be reported.
    """
    notes = [*record.notes, *settings.told]
    record = replace(record, limits=settings.limits)
    heard = silenced([s for r in symptoms for s in _outcome(r, notes, record)], settings, notes)
    found = _settle(heard)
    notes += [f"{s.id} {s.name}: {s.says}" for s in found if s.note]
    findings = tuple(s for s in found if not s.note)
    word, others = mechanism.name(record, findings)
    rules = causes if findings and not mechanism.handed_broken(findings) else ()
    why = [c for r in rules for c in _outcome(r, notes, record, findings)]
    return Diagnosis(
        mechanism=word,
        symptoms=findings,
        causes=ranked(record, word, why),
        others=others,
        notes=tuple(notes),
        watching=_watching(record, findings),
    )


def _outcome(rule: Rule[T], notes: list[str], *args: object) -> tuple[T, ...]:
    try:
        return rule.run(*args)
    except Exception as error:
        notes.append(f"rule {rule.id} ({rule.name}) failed: {type(error).__name__}: {error}")
        return ()


def _settle(found: Sequence[Symptom]) -> list[Symptom]:
    """Without `no-progress` where a finding says more."""
    more = any(not s.note and s.name not in BESIDE for s in found)
    return [s for s in found if not (more and s.name == YIELDING)]


def _watching(record: Record, findings: Sequence[Symptom]) -> bool:
    """Whether it is too early for a verdict.

    A run under 100 steps (200 where a start is slow) with every number finite, where nothing was
    found before the first; a check whose budget ended before the probe steps could tell, where
    nothing else was found.
    """
    if record.cut and not findings:
        return True
    young = record.kind == "run" and record.last_step + 1 < verdict_after(record)
    early = {"non-finite", *(s.name for s in record.static)}
    return young and not any(s.name in early for s in findings)
