"""`undertow report`."""

from pathlib import Path
from typing import Annotated

import typer

from undertow.cli import options as o
from undertow.cli.output import machine


def report(
    run: Annotated[str, typer.Argument(help="A run folder.")],
    html: Annotated[
        str | None, typer.Option(help="The file to write; report.html in the run.")
    ] = None,
    json: o.Json = False,
) -> None:
    """Write the report of a stored run as one HTML file that opens without a network."""
    import json as text

    from undertow.api.diagnose import diagnose

    path = Path(html) if html else Path(run) / "report.html"
    diagnose(run).to_html(path)
    if json:
        machine(text.dumps({"run": run, "html": str(path)}, ensure_ascii=False))
    else:
        print(path)
