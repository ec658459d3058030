"""The page of an evaluation: one self-contained HTML file, as every report here."""

from typing import Any

from undertow.report.numbers import counted
from undertow.report.page import markup, template
from undertow.report.scores import (
    Scores,
    class_table,
    exact,
    headline,
    span_words,
    subject,
    worst_table,
)
from undertow.report.svg.scores import confusion, reliability


def page(scores: Scores, command: str = "") -> str:
    """The whole page, the scores embedded as JSON."""
    data = scores.to_json().replace("<", "\\u003c").replace(">", "\\u003e")
    text: str = template("page.html").render(
        title=f"{scores.model} on {scores.data}",
        command=command,
        nav=(),
        inside=markup(_inside(scores)),
        glossary={},
        data=markup(data.replace("&", "\\u0026")),
    )
    return text


def body(scores: Scores) -> str:
    """The section alone with its style, for a notebook."""
    text: str = template("body.html").render(inside=markup(_inside(scores)))
    return text


def _inside(s: Scores) -> str:
    figures = (
        confusion(s.confusion, s.names, "confusion"),
        reliability(s.bins, s.binary is not None, "reliability"),
    )
    view: dict[str, Any] = {
        "headline": exact(s.accuracy) + " right" if s.accuracy is not None else "Loss only",
        "line": f"95 % interval {span_words(s.interval)} %" if s.interval else "",
        "subject": subject(s),
        "numbers": headline(s),
        "classes": class_table(s.classes) if s.confusion else None,
        "worst": worst_table(s.worst) if s.worst else None,
        "figures": [f for f in figures if f is not None],
        "preprocessing": s.preprocessing,
        "skipped": s.skipped,
        "skipped_words": counted(len(s.skipped), "file"),
        "notes": s.notes,
    }
    text: str = template("scores.html").render(s=view)
    return text.replace(" %", "\u00a0%")
