"""The pages in docs/book are what the stored results give, small, and complete."""

import re
from pathlib import Path

import pytest

from undertow.studies import NAMES, book
from undertow.studies.chapter import CHAPTERS, chapter
from undertow.studies.result import stored

HOME = Path(__file__).resolve().parents[2] / "docs" / "book"
AGAIN = "run: python tools/book.py"
FIGURE, WHOLE = 40_000, 5_000_000  # bytes


def text(name: str) -> str:
    return (HOME / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_of_the_stored_result(name: str) -> None:
    result = stored()[name]
    assert text(f"{name}.md") == book.page(result, drawn=not result.exact), AGAIN


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_is_as_explained(name: str) -> None:
    assert text(f"chapter-{name}.md") == chapter(name), AGAIN


def test_the_index_and_nothing_else() -> None:
    assert text("index.md") == book.index([stored()[name] for name in NAMES]), AGAIN
    figures = {f"{name}.svg" for name in NAMES if not stored()[name].exact}
    pages = {f"{name}.md" for name in NAMES} | {f"chapter-{name}.md" for name in CHAPTERS}
    assert {f.name for f in HOME.iterdir()} == figures | pages | {"index.md"}


def test_links_lead_somewhere_and_figures_are_small() -> None:
    for page in HOME.glob("*.md"):
        for link in re.findall(r"\]\(([\w.-]+)\)", page.read_text(encoding="utf-8")):
            assert (HOME / link).is_file(), f"{page.name}: {link}"
    sizes = {f.name: f.stat().st_size for f in HOME.iterdir()}
    assert {n: s for n, s in sizes.items() if n.endswith(".svg") and s > FIGURE} == {}
    assert sum(sizes.values()) < WHOLE


def test_what_differs_from_common_teaching_is_said() -> None:
    index = text("index.md").split("## Studies")[0]
    for claim in book.TAUGHT:
        assert f"**{claim}**" in index
        assert f"**{claim}** “" in "".join(p.read_text(encoding="utf-8") for p in HOME.glob("*.md"))
    assert "the other sign the curve falls" in index  # F2: the sigmoid's sign
    assert "a second 1x1 restores the width" in index  # R5: the bottleneck's third convolution
    assert "It bounds the step, not the gradient" in index  # G16: clipping
    assert "√(π/(π−1)) a layer" in index  # G18: batch norm without skips
    assert "the paper on ResNet itself calls vanishing gradients unlikely" in index  # S3
