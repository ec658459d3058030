"""`undertow diagnose`."""

from typing import Annotated

import typer

from undertow.cli import options as o
from undertow.cli.output import ended, show


def diagnose(
    run: Annotated[str, typer.Argument(help="A run folder.")],
    html: o.Html = None,
    json: o.Json = False,
) -> None:
    """Judge a stored run: the same findings as live, without torch."""
    from undertow.api.diagnose import diagnose as judge

    report = judge(run)
    show(report, json=json, html=html)
    ended(report.healthy)
