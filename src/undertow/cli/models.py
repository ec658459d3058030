"""`undertow models`."""

from typing import Annotated

import typer

from undertow.cli import options as o


def models(
    pattern: Annotated[str, typer.Argument(help="A glob, as 'vgg*' or a family.")] = "*",
    json: o.Json = False,
) -> None:
    """List the networks that can be built: paper, parameters, multiply-adds, input."""
    import json as text

    from undertow.api.build import models as found

    cards = found(pattern)
    if json:
        print(text.dumps([_row(c) for c in cards], indent=1))
        return
    print(f"{'name':<12}{'year':>5}{'parameters':>14}{'MACs':>16}  {'input':<12} paper")
    for row, c in zip(map(_row, cards), cards, strict=True):
        size = "×".join(str(v) for v in c.input)
        numbers = f"{_n(row['parameters']):>14}{_n(row['macs']):>16}"
        print(f"{c.name:<12}{c.year or '–':>5}{numbers}  {size:<12} {c.paper}")


def _n(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "–"


def _row(card: object) -> dict[str, object]:
    get = getattr
    return {
        "name": get(card, "name"),
        "family": get(card, "family"),
        "paper": get(card, "paper"),
        "year": get(card, "year"),
        "parameters": get(card, "parameters"),
        "macs": get(card, "macs"),
        "input": list(get(card, "input")),
    }
