"""The whole judgement: sick cases, healthy twins, watching, rules that raise."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.cases.golden import HEALTHY, SICK
from tests.cases.records import CONST, check, falling, run, static
from undertow.core.codec import decode, encode
from undertow.core.finding import Evidence, Symptom
from undertow.core.record import Record
from undertow.core.rule import rule
from undertow.diagnosis import SYMPTOMS
from undertow.diagnosis.engine import diagnose


@pytest.mark.parametrize("case", SICK)
def test_sick_case_has_a_finding_and_its_mechanism(case: str) -> None:
    word, record = SICK[case]
    found = diagnose(record)
    assert found.symptoms
    assert not found.healthy
    assert found.mechanism == word
    assert word not in found.others
    assert all(s.says and not s.note for s in found.symptoms)


@pytest.mark.parametrize("case", HEALTHY)
def test_healthy_case_is_silent(case: str) -> None:
    found = diagnose(HEALTHY[case])
    assert found.symptoms == ()
    assert found.causes == ()
    assert found.mechanism == "healthy"
    assert found.healthy


@pytest.mark.parametrize("case", SICK)
def test_a_stored_record_gets_the_same_diagnosis(case: str) -> None:
    record = decode(Record, encode(SICK[case][1]))
    again = decode(Record, encode(record))
    assert encode(diagnose(again)) == encode(diagnose(record))


def test_a_loss_scaled_by_any_factor_gets_the_same_words() -> None:
    record = check(grad_l2=falling(0.5))
    for factor in (1e-6, 1e6):
        scaled = replace(
            record,
            const_loss=CONST * factor,
            first_loss=CONST * factor,
            one_batch=tuple(v * factor for v in record.one_batch),
            snapshots=check(grad_l2=[g * factor for g in falling(0.5)]).snapshots,
            loss="",
        )
        assert diagnose(scaled).mechanism == "vanishing"
        assert [s.name for s in diagnose(scaled).symptoms] == ["vanishing-gradient"]


def test_a_rule_that_raises_becomes_a_note() -> None:
    @rule("UT999", "broken", "Breaks")
    def broken(record: Record) -> Iterator[Symptom]:
        raise ZeroDivisionError("by design")
        yield

    found = diagnose(check(grad_l2=falling(0.5)), symptoms=(broken, *SYMPTOMS))
    assert found.mechanism == "vanishing"
    assert any("UT999 (broken) failed: ZeroDivisionError: by design" in n for n in found.notes)


def test_a_users_own_rule_is_an_argument() -> None:
    @rule("X1", "mine", "Mine")
    def mine(record: Record) -> Iterator[Symptom]:
        yield Symptom("X1", "mine", (), 0, (Evidence("loss", "", 0, 1.0),), "mine")

    found = diagnose(check(learns=True), symptoms=(*SYMPTOMS, mine))
    assert [s.id for s in found.symptoms] == ["X1"]
    assert not found.healthy


def test_no_progress_yields_to_a_symptom_that_says_more() -> None:
    assert [s.id for s in diagnose(check()).symptoms] == ["UT109"]
    assert "UT109" not in [s.id for s in diagnose(check(grad_l2=falling(0.5))).symptoms]


@pytest.mark.parametrize(("steps", "watching"), [(99, True), (100, False), (101, False)])
def test_before_step_100_the_word_is_watching(steps: int, watching: bool) -> None:
    found = diagnose(run((CONST,) * steps))
    assert found.watching is watching
    assert bool(found.symptoms) is not watching


def test_what_was_found_before_the_first_step_does_not_wait() -> None:
    found = diagnose(run((CONST,) * 3, static=(static("input-range"),)))
    assert not found.watching
    assert (found.mechanism, [s.id for s in found.symptoms]) == ("input-scale", ["UT204"])


def test_nan_is_immediate() -> None:
    found = diagnose(run((CONST, float("nan"))))
    assert not found.watching
    assert [s.id for s in found.symptoms] == ["UT108"]


def test_notes_are_text_and_no_findings() -> None:
    found = diagnose(check(learns=True, dead=0.6))
    assert found.healthy
    assert any(n.startswith("UT104 dead-units: ") for n in found.notes)


def test_an_empty_record_is_watched() -> None:
    assert diagnose(Record()).watching
    assert diagnose(Record(kind="check")).healthy
