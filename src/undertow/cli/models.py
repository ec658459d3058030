"""`undertow models`."""

from typing import Annotated, Any

import typer

from undertow.cli import options as o
from undertow.cli.output import machine


def models(
    pattern: Annotated[str, typer.Argument(help="A glob, as 'vgg*' or a family.")] = "*",
    json: o.Json = False,
) -> None:
    """List the networks that can be built: paper, parameters, multiply-adds, input."""
    import json as text

    from undertow.api.build import models as found

    cards = found(pattern)
    if json:
        machine(text.dumps([_row(c) for c in cards], indent=1))
        return
    width = max(len(c.name) for c in cards)
    print(f"{'name':<{width}}{'year':>6}{'parameters':>14}{'MACs':>16}  {'input':<10}  paper")
    for row, c in zip(map(_row, cards), cards, strict=True):
        size = "×".join(str(v) for v in c.input)
        numbers = f"{_n(row['parameters']):>14}{_n(row['macs']):>16}"
        print(f"{c.name:<{width}}{c.year or '–':>6}{numbers}  {size:<10}  {_source(c)}")


def _source(card: Any) -> str:
    """The paper, and the parameters of the net built the other way."""
    found = card.variants[0].other
    other = "" if found is None else f"{found[0]:,} {found[1]}"
    return "; ".join(part for part in (card.paper, other) if part)


def _n(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "–"


def _row(card: Any) -> dict[str, object]:
    from undertow.core.codec import encode

    return {
        "name": card.name,
        "family": card.family,
        "paper": card.paper,
        "year": card.year,
        "parameters": card.parameters,
        "macs": card.macs,
        "input": list(card.input),
        "smallest": card.smallest,
        "classes": card.classes,
        "norms": list(card.norms),
        "skips": list(card.skips),
        "heads": card.heads,
        "weights": [encode(w) for w in card.files],
        "variants": [_form(v) for v in card.variants],
        "printed": [[p.what, p.printed, p.found, p.source] for p in card.printed],
    }


def _form(variant: Any) -> dict[str, object]:
    other = variant.other
    return {
        "name": variant.name,
        "parameters": variant.parameters,
        "macs": variant.macs,
        "differs": variant.differs,
        "other": None if other is None else {"parameters": other[0], "built": other[1]},
    }
