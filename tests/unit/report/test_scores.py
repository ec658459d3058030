"""Scores from hand-made counts: shares, text, page, JSON."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from undertow.core.errors import UsageError
from undertow.core.scores import Bin, Binary, Miss
from undertow.report.scores import Scores

MISS = Miss("dog/1.jpg", "dog", "cat", 4.0, 0.018, 0.98)
BINS = (Bin(0.5, 1.0, 10, 0.9, 7),)
MADE = Scores("runs/a", "pets", "test", 10, "cross-entropy", 0.5, ("cat", "dog"),
              ((4, 1), (2, 3)), bins=BINS, worst=(MISS,), skipped=("x.jpg: no image",),
              preprocessing=(("input", "3x8x8"),), notes=("said",))  # fmt: skip


def test_shares_come_from_the_counts() -> None:
    assert (MADE.right, MADE.accuracy) == (7, 0.7)
    cat, dog = MADE.classes
    assert (cat.precision, cat.recall, dog.f1) == (4 / 6, 0.8, 2 * 3 / (5 + 4))
    assert MADE.balanced == pytest.approx(0.7)
    assert MADE.calibration_error == pytest.approx(0.2)
    assert MADE.mixed_up == (("dog", "cat", 2), ("cat", "dog", 1))
    assert MADE.interval == pytest.approx((0.3968, 0.8922), abs=1e-4)


def test_the_text_says_what_a_reader_needs() -> None:
    said = str(MADE)
    for words in ("runs/a · pets (test) · 10 samples", "70.00 %", "[39.68, 89.22]", "balanced",
                  "dog → cat 2×", "dog/1.jpg", "1 file: x.jpg", "3x8x8", "· said"):  # fmt: skip
        assert words in said
    assert MADE.to_text(encoding="ascii").isascii()
    assert repr(MADE) == "Scores(runs/a on pets test: 70.00 % right, loss 0.50, 10 samples)"


def test_of_many_classes_the_weakest_are_shown() -> None:
    names = tuple(f"c{i}" for i in range(30))
    counts = tuple(tuple(i if i == j else 30 - i if j == (i + 1) % 30 else 0 for j in range(30))
                   for i in range(30))  # fmt: skip
    said = str(replace(MADE, n=900, names=names, confusion=counts, top5=800))
    assert "the 10 classes of lowest recall, of 30" in said
    assert "  c0 " in said
    assert "  c29 " not in said
    assert "top-5" in said


def test_json_holds_the_counts_and_what_follows_from_them() -> None:
    held = json.loads(MADE.to_json())
    assert held["confusion"] == [[4, 1], [2, 3]]
    assert held["derived"]["accuracy"] == 0.7
    assert held["derived"]["classes"]["cat"]["precision"] == pytest.approx(4 / 6, rel=1e-5)
    assert Scores.from_json(MADE.to_json()) == MADE
    assert pickle.loads(pickle.dumps(MADE)) == MADE
    odd = replace(MADE, mean_loss=float("nan"))
    assert Scores.from_json(odd.to_json()) == odd


@pytest.mark.parametrize("text", ["", "[]", '{"n": 1}', '{"format": 99}'])
def test_what_is_no_stored_scores_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Scores.from_json(text)


def test_the_page_is_one_file_that_escapes_names(tmp_path: Path) -> None:
    odd = replace(MADE, names=("<b>cat</b>", "dog"), binary=Binary(0.8, None, 0.1))
    odd.to_html(tmp_path / "s.html", "undertow evaluate runs/a")
    page = (tmp_path / "s.html").read_text(encoding="utf-8")
    assert "<b>cat</b>" not in page
    assert "&lt;b&gt;cat&lt;/b&gt;" in page
    assert page.count("<figure") == 2
    for outside in ("http://", "https://", "<script src"):
        assert outside not in page.replace("http://www.w3.org/2000/svg", "")
    assert "<b>–</b> average precision" in page
    assert "<style>" in odd._repr_html_()


def test_a_loss_alone_has_no_classes() -> None:
    bare = Scores("net", "made", "all", 5, "mse", 0.25)
    assert (bare.accuracy, bare.balanced, bare.calibration_error) == (None, None, None)
    assert "0.25" in str(bare)
    assert Scores.from_json(bare.to_json()) == bare
