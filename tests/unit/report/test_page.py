"""The page: self-contained, escaped, complete, small."""

import json
import random
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from tests.golden import report_samples as samples
from undertow.core.record import Column, Scalars, Snapshot
from undertow.report import Report
from undertow.report.page import Part, embedded, render

ALL = (
    *(samples.sick, samples.healthy, samples.run, samples.repaired),
    *(samples.broken, samples.empty, samples.hostile),
)
ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "footer", "nav"),
    *("section", "article", "div", "p", "span", "b", "i", "a", "ul", "ol", "li", "dl", "dt", "dd"),
    *("h1", "h2", "h3", "h4", "table", "caption", "thead", "tbody", "tr", "th", "td", "figure"),
    *("figcaption", "details", "summary", "pre", "code", "script"),
    *("svg", "desc", "g", "line", "rect", "circle", "polyline", "path", "text"),
}


class Reader(HTMLParser):
    """Elements, ids, links and attributes of a page; fails where tags do not close."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element and that it is open."""
        self.seen.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that closes itself."""
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Fail unless it closes the last one opened."""
        assert self.open.pop() == tag


def story() -> str:
    parts = [
        Part("Before", samples.sick(), "Checked on copies."),
        Part("The repair", samples.repaired()),
        Part("The training", samples.run()),
    ]
    return render("A sick net", parts, "undertow demo")


@pytest.mark.parametrize("make", ALL)
def test_every_tag_is_known_and_closed_and_every_id_is_unique(make: Callable[[], Report]) -> None:
    page = Reader(make().to_html())
    assert page.open == []
    assert {tag for tag, _ in page.seen} <= ALLOWED
    ids = [a["id"] for _, a in page.seen if "id" in a]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("make", [*ALL, story])
def test_nothing_is_fetched_and_nothing_runs(make: Callable[[], Report | str]) -> None:
    made = make()
    html = made if isinstance(made, str) else made.to_html()
    assert set(re.findall(r"https?://[^/\"'\s<]+", html)) <= {"http://www.w3.org"}
    page = Reader(html)
    for tag, attributes in page.seen:
        assert tag != "script" or attributes["type"] == "application/json"
        assert not any(name.startswith("on") or name in {"src", "srcset"} for name in attributes)
        assert (attributes.get("href") or "#").startswith("#")
    assert "@import" not in html
    assert "url(" not in html


def test_hostile_names_are_text() -> None:
    html = samples.hostile().to_html()
    for bad in ("<img", "<script>alert", "<svg onload", "<b>K", "<u>note", "<i>"):
        assert bad not in html.replace("<i>sound", "").replace("<i>finding", "").replace(
            "<i>not measured", ""
        ).replace("<i>unusual", "")
    assert "&lt;img src=x onerror=" in html
    assert html.count("</script>") == 1, "the embedded JSON does not end its element"


def test_the_embedded_json_is_the_report() -> None:
    for make in (samples.hostile, samples.broken, samples.repaired):
        html = make().to_html()
        text = re.search(r'id="undertow-data">(.*?)</script>', html, re.DOTALL)
        assert text is not None
        (data,) = json.loads(text[1])
        assert data.pop("title") == ""
        assert data.pop("thinned") == 1
        assert Report.from_json(json.dumps(data)) == make()


def test_every_figure_has_a_sentence_a_table_and_two_widths() -> None:
    html = story()
    figures = html.split("<figure")[1:]
    assert len(figures) >= 8
    for one in figures:
        one = one.split("</figure>")[0]
        assert one.count("<svg") == one.count('role="img"') == 2
        assert one.count("<desc") == 2
        assert "<figcaption><h4>" in one
        assert "<table>" in one
        for ids in re.findall(r'aria-labelledby="([^"]+)"', one):
            assert all(f'id="{word}"' in one for word in ids.split())


def test_every_link_has_its_target() -> None:
    page = Reader(story())
    ids = {a.get("id") for _, a in page.seen}
    links = [a["href"] for tag, a in page.seen if tag == "a" and a["href"]]
    assert links
    assert all(href.removeprefix("#") in ids for href in links)


def test_a_net_shown_before_is_not_shown_again() -> None:
    html = story()
    assert html.count("The gradient vanishes on its way to the input") == 1
    assert html.count("Repaired") + html.count("repaired: batch-norm") >= 1
    assert "<h3>What was proven</h3>" not in html
    assert "<h3>What was proven</h3>" in samples.repaired().to_html()


def test_the_net_before_stands_behind_the_profile_of_the_trained_one() -> None:
    html = story()
    assert "Dashed: the net before." in html
    assert "Dashed" not in samples.run().to_html()
    other = render("x", [Part("a", samples.sick(5)), Part("b", samples.run())])
    assert "Dashed" not in other, "nets of another depth are not compared"


def test_the_command_is_shown() -> None:
    def words(html: str) -> str:
        return re.sub(r"</?span>", "", html)

    assert "<code>undertow demo</code>" in words(story())
    assert "<code>undertow check conv --depth 12 " in words(samples.sick().to_html())


def test_remedies_have_no_empty_column() -> None:
    report = samples.sick()
    bare = replace(report, record=replace(report.record, experiments=()))
    assert "on this batch</th>" in report.to_html()
    assert "on this batch</th>" not in bare.to_html()


def long_run(steps: int) -> Report:
    report = samples.run()
    metrics = tuple(Scalars(i, 2.0 + i % 7 / 10, 0.1, 1.234567, 0.123456) for i in range(steps))
    snaps = tuple(replace(report.record.snapshots[-1], step=i) for i in range(0, steps, 50))
    rows = replace(report.record, metrics=metrics, snapshots=snaps)
    return replace(report, record=rows)


def test_a_long_run_stays_below_the_bound_and_says_so() -> None:
    report = long_run(30_000)
    html = report.to_html()
    assert len(html.encode()) <= 1_500_000
    (data,) = json.loads(embedded([Part("", report)]))
    assert data["thinned"] > 1
    assert data["record"]["metrics"][-1]["step"] == 29_999
    assert len(report._repr_html_().encode()) <= 300_000


def test_a_notebook_of_a_deep_net_stays_small() -> None:
    report = samples.sick(50)
    assert len(report._repr_html_().encode()) <= 300_000
    assert "<script" not in report._repr_html_()
    assert "<html" not in report._repr_html_()


def test_no_promise_is_made() -> None:
    words = set(re.sub(r"<[^>]*>", " ", story().split("<main>")[1].split("<script")[0]).split())
    assert not {"cures", "always", "Always"} & words


def test_a_page_without_parts_is_a_page() -> None:
    assert "<h1>Nothing</h1>" in render("Nothing", [])


def test_a_notebook_of_a_deep_noisy_run_stays_small() -> None:
    draw = random.Random(0)
    rows = samples.layers(50)
    snaps = tuple(
        Snapshot(i, (Column("grad_l2", tuple(10 ** draw.uniform(-9, 0) for _ in rows)),))
        for i in range(400)
    )
    metrics = tuple(Scalars(i, draw.uniform(1, 3)) for i in range(4000))
    report = samples.run()
    record = replace(report.record, layers=rows, snapshots=snaps, metrics=metrics)
    report = replace(report, record=record)
    assert len(report._repr_html_().encode()) <= 300_000
    assert len(report.to_html().encode()) <= 1_500_000
