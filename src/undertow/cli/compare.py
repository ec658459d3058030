"""`undertow compare`."""

from typing import Annotated

import typer

from undertow.cli import options as o
from undertow.cli.output import machine, terminal

First = Annotated[str, typer.Argument(help="A run folder, shown as A.")]
Second = Annotated[str, typer.Argument(help="Another, shown as B.")]


def compare(a: First, b: Second, json: o.Json = False) -> None:
    """Show what differs between two stored runs: plan, layers, profile, verdict. No torch."""
    import json as text

    from undertow.api.compare import compare as differences
    from undertow.core.codec import encode

    found = differences(a, b)
    if json:
        machine(text.dumps(encode(found)))
    else:
        print(found.to_text(**terminal()), end="")
