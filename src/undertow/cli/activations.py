"""`undertow activations`."""

import json as text
from typing import Annotated

import typer

from undertow.cli import options as o
from undertow.cli.output import machine, terminal


def activations(
    act: Annotated[str, typer.Option(help="Some of them with their graphs, as relu,tanh.")] = "",
    depth: Annotated[int, typer.Option(help="Layers the gradient is sent through.")] = 20,
    json: o.Json = False,
) -> None:
    """Compare the activations: formula, moments, gain, gradient over depth, cost, verdicts."""
    from undertow.api import activations as api
    from undertow.core.codec import encode

    names = tuple(word.strip() for word in act.split(",") if word.strip())
    found = api.activations(names, depth=depth)
    if json:
        machine(text.dumps(encode(found), indent=1, ensure_ascii=False))
        return
    how = terminal()
    plain = how["encoding"].lower().replace("-", "") != "utf8"
    print(api.activations_text(found, width=how["width"], ascii_only=plain))
