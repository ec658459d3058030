"""The coverage table: every claim of the book has an answer."""

from undertow.studies.claims import CLAIMS, TEXTS, coverage
from undertow.studies.verdict import WORDS

COUNTS = {"A": 12, "V": 10, "F": 25, "G": 20, "S": 8, "R": 9, "I": 10}


def test_the_ids_are_those_of_the_book() -> None:
    assert [f"{letter}{n}" for letter, most in COUNTS.items() for n in range(1, most + 1)] == list(
        CLAIMS
    )
    assert len(CLAIMS) == 94


def test_every_claim_is_answered() -> None:
    open_ones = [row.id for row in coverage() if not row.answered]
    assert open_ones == []


def test_answers_are_verdicts_or_sourced_texts() -> None:
    for row in coverage():
        assert all(word in WORDS for _, word in row.answers)
        assert bool(row.text) == (row.id in TEXTS)
        assert not row.text or row.source
        assert row.id in row.line()
