"""Layout of lines: tables, wrapping, the narrowest width, ASCII."""

from undertow.report.pen import NARROWEST, SIGNS, Pen, pen_for
from undertow.report.tables import Table


def test_columns_align_and_the_last_wraps() -> None:
    pen = Pen(48, color=False, ascii=False)
    table = Table(("a", "n", "words"), (("x", "10", "w " * 30),), (False, True, False))
    lines = pen.columns(table)
    assert lines[0].startswith("  a   n  words")
    assert lines[1].startswith("  x  10  w w")
    assert all(line.startswith(" " * 9 + "w") for line in lines[2:])


def test_a_number_keeps_its_unit() -> None:
    lines = Pen(48, color=False, ascii=False).wrap("", "word " * 8 + "and 95 % more")
    assert all("95" not in line or "95 %" in line for line in lines)


def test_no_terminal_is_too_narrow() -> None:
    assert pen_for(10, color=False, encoding="utf-8").width == NARROWEST


def test_every_sign_has_an_ascii_form() -> None:
    pen = pen_for(80, color=True, encoding="ascii")
    assert pen.form(SIGNS).isascii()
    assert pen.finish(["✖ UT101"]) == "x UT101\n"
