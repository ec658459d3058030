"""`undertow summary`."""

from typing import Annotated, Any

import typer

from undertow.cli import options as o

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
    """Show a network layer by layer: output shape, kernel, parameters, multiply-adds."""
    import json as text

    from undertow.api.summary import summary as summarise
    from undertow.api.target import net_for
    from undertow.core.codec import encode
    from undertow.core.plan import Plan

    plan = Plan(model, o.choices(given), o.sizes(given), given["variant"], given["classes"])
    net, shape = net_for(plan, size)
    found = summarise(net, shape, batch)
    print(text.dumps(encode(found), indent=1) if json else found)
