"""A result in text: every claim with its verdict, in ASCII where asked, within the width."""

from undertow.studies import engine
from undertow.studies.text import exactly, shown

from .toy import TOY


def test_question_table_verdicts_and_the_command() -> None:
    text = shown(engine.run(TOY, range(5)))
    assert text.startswith("Is high higher than low?\n")
    for said in ("F1", "turned", "refuted", "low is higher", "undertow study toy --quick", "█"):
        assert said in text
    assert "activations give a network its non-linearity" in text  # the book's words for F1


def test_a_verdict_that_was_not_foreseen_is_marked() -> None:
    assert "inconclusive (foreseen: supported)" in shown(engine.run(TOY, range(3)))
    assert "a demonstration" in shown(engine.run(TOY, range(3)))


def test_ascii_and_width() -> None:
    text = shown(engine.run(TOY, range(5)), 60, ascii_only=True)
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= 80  # tables may be wider than asked


def test_counts_have_thousands() -> None:
    assert exactly(143667240.0) == "143,667,240"
    assert exactly(0.23571) == "0.236"
