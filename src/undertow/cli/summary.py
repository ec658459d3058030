"""`undertow summary`."""

from typing import Annotated, Any

import typer

from undertow.cli import options as o
from undertow.cli.output import machine

Size = Annotated[str | None, typer.Option(help="Input as 3x224x224 or 224; the card's own.")]
Samples = Annotated[int, typer.Option(min=1, help="Samples of the counted pass.")]


@o.takes(o.NET)
def summary(
    model: o.Model,
    size: Size = None,
    batch: Samples = 1,
    json: o.Json = False,
    *,
    given: dict[str, Any],
) -> None:
    """Show a network layer by layer: shapes, parameters, multiply-adds, receptive field, memory."""
    import json as text

    from undertow.api.summary import summary_of
    from undertow.core.codec import encode
    from undertow.core.plan import Plan

    plan = Plan(model, o.choices(given), o.sizes(given), given["variant"], given["classes"])
    found = summary_of(plan, size, batch)
    if json:
        machine(text.dumps(encode(found), indent=1))
    else:
        print(found)
