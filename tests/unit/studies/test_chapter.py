"""The chapters: every claim in its page, every number from a stored study, no torch."""

import re
import subprocess
import sys
from importlib.resources import files

import pytest

from undertow.api.explain import explain
from undertow.core.errors import UsageError
from undertow.studies import chapter
from undertow.studies.claims import CLAIMS
from undertow.studies.layout import laid_out
from undertow.studies.result import stored

ROWS = {
    "alexnet": [f"A{n}" for n in range(1, 13)],
    "vgg": [f"V{n}" for n in range(1, 11)],
    "activations": [f"F{n}" for n in range(1, 26)],
    "vanishing": [*(f"G{n}" for n in range(1, 10)), "G19", "G20"],
    "exploding": [f"G{n}" for n in range(10, 19)],
    "residual": [f"S{n}" for n in range(1, 9)],
    "resnet": [f"R{n}" for n in range(1, 10)],
    "inception": [f"I{n}" for n in range(1, 11)],
}


@pytest.mark.parametrize("name", chapter.CHAPTERS)
def test_every_row_is_in_its_chapter(name: str) -> None:
    assert list(chapter.claims_of(name)) == ROWS[name]
    text = " ".join(explain(name).split())
    assert all(f"**{claim}** “{CLAIMS[claim]}”" in text for claim in ROWS[name])


@pytest.mark.parametrize("name", chapter.CHAPTERS)
def test_every_number_was_measured(name: str) -> None:
    text = explain(name)
    assert chapter.NOT_YET not in text
    assert "{{" not in text
    assert set(re.findall(r"\[([a-z]+(?:-[a-z]+)*)\]", text)) <= set(stored())


@pytest.mark.parametrize("name", chapter.CHAPTERS)
def test_a_chapter_fits_a_terminal_of_80_columns(name: str) -> None:
    assert max(map(len, explain(name).splitlines())) <= 80


def test_all_claims_are_told_somewhere() -> None:
    assert sorted(c for rows in ROWS.values() for c in rows) == sorted(CLAIMS)


def test_what_was_never_measured_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chapter, "stored", dict)
    chapter.chapter.cache_clear()
    text = chapter.chapter("vanishing")
    chapter.chapter.cache_clear()
    assert chapter.NOT_YET in text
    assert not re.search(r"\d \[", text)


@pytest.mark.parametrize("name", chapter.CHAPTERS)
def test_the_page_itself_holds_no_measured_number(name: str) -> None:
    """Decimals in a page are of the setting (rates, deviations, odds), never of a result."""
    page = (files("undertow.studies") / "chapters" / f"{name}.md").read_text(encoding="utf-8")
    bare = re.sub(r"\{\{.*?\}\}", "", page)
    found = set(re.findall(r"(?<![\w.])\d*\.\d+(?![\w.])", bare))
    assert found <= {".5", ".7", ".01", "0.01", ".1", ".3", "1.25", "1.5", "1.7", "4.1"}


def test_a_bad_mark_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="none of study"):
        chapter._filled("vanishing | sigmoid")
    with pytest.raises(UsageError, match="chapter"):
        chapter.chapter("lenet")


def test_unknown_topics_name_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean vanishing"):
        explain("vanishin")
    assert explain("VGG") == explain("vgg")
    assert "UT101" in explain("ut101")


def test_chapters_need_no_torch() -> None:
    code = (
        "import sys; from undertow.api.explain import explain; explain('vanishing');"
        "print([m for m in ('torch', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_tables_are_aligned_again() -> None:
    text = "    a  1 [x]\n    long  22 [y]"
    assert laid_out(text) == "    a     1\n    long  22\n    [x] [y]"
