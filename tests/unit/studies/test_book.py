"""The book: a page a study with its figure, the chapters, and an index that leads to all."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from undertow.core.errors import EnvironmentFaultError
from undertow.studies import book, engine
from undertow.studies.claims import CLAIMS
from undertow.studies.result import from_json

from .toy import TOY


def test_pages_figures_and_links(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    result = engine.run(TOY, range(5))
    book.write([result], tmp_path / "out")
    page = (tmp_path / "out" / "toy.md").read_text(encoding="utf-8")
    assert "**turned** “low is higher”: **refuted**" in page
    assert "seeds 0, 1, 2, 3, 4; undertow" in page
    assert "undertow study toy --quick" in page
    index = (tmp_path / "out" / "index.md").read_text(encoding="utf-8")
    assert all(f"| {claim} |" in index for claim in CLAIMS)
    for text in (page, index):
        for link in re.findall(r"\]\(([\w.-]+)\)", text):
            assert (tmp_path / "out" / link).is_file()
    stored = (tmp_path / "out" / "toy.json").read_text(encoding="utf-8")
    assert from_json(stored).to_json() == result.to_json()


def test_the_index_of_a_users_network_judges_no_claim_of_the_book() -> None:
    result = replace(engine.run(TOY, range(5)), on="net.py:build")
    text = book.index([result])
    assert text.startswith("# Studies asked of net.py:build")
    assert "## Claims" not in text
    assert "has not been run yet" not in book.page(result)
    assert "has not been run yet" in book.page(replace(result, on=""))


def test_a_bar_in_a_fact_does_not_break_the_table() -> None:
    text = book.page(engine.run(TOY, range(5)))
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {3}


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    with pytest.raises(EnvironmentFaultError, match="cannot be written"):
        book.write([], tmp_path / "f" / "out")
