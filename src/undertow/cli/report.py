"""`undertow report`."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[str, typer.Argument(help="A run folder.")],
    html: Annotated[
        str | None, typer.Option(help="The file to write; report.html in the run.")
    ] = None,
) -> None:
    """Write the report of a stored run as one HTML file that opens without a network."""
    from undertow.api.diagnose import diagnose

    path = Path(html) if html else Path(run) / "report.html"
    diagnose(run).to_html(path)
    print(path)
