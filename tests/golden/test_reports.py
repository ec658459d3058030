"""Terminal text, JSON and pages of hand-made reports, byte for byte."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.golden import report_samples as samples
from undertow.report import Report
from undertow.report.page import Part, render
from undertow.report.text import verdict_text

REPORTS: dict[str, Callable[[], Report]] = {
    "sick": samples.sick,
    "deep": lambda: samples.sick(40),
    "healthy": samples.healthy,
    "run": samples.run,
    "repaired": samples.repaired,
    "broken": samples.broken,
    "empty": samples.empty,
}
Golden = Callable[[str, str], None]


@pytest.mark.parametrize("name", REPORTS)
def test_text(name: str, golden: Golden) -> None:
    golden(f"{name}.txt", REPORTS[name]().to_text())


def test_text_in_ascii_on_a_narrow_terminal(golden: Golden) -> None:
    golden("repaired-ascii.txt", samples.repaired().to_text(width=72, encoding="ascii"))


def test_text_in_colour(golden: Golden) -> None:
    golden("repaired-colour.txt", samples.repaired().to_text(color=True))


def test_verdict_text(golden: Golden) -> None:
    golden("verdict.txt", verdict_text(samples.proven(), (samples.failed(),)))


def test_json(golden: Golden) -> None:
    golden("healthy.json", samples.healthy().to_json() + "\n")


@pytest.mark.parametrize("name", ["healthy", "broken", "empty"])
def test_page(name: str, golden: Golden) -> None:
    golden(f"{name}.html", REPORTS[name]().to_html())


def test_page_of_a_check_its_proof_and_a_training(golden: Golden) -> None:
    parts = (
        Part("Before training", samples.sick(), "Checked on copies."),
        Part("The repair", replace(samples.repaired())),
        Part("The training", samples.run(60)),
    )
    golden("story.html", render("A sick net", parts, "undertow demo"))
