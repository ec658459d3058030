"""`undertow study`."""

import json as text
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from undertow.cli import options as o
from undertow.cli.output import Progress

if TYPE_CHECKING:
    from undertow.api.study import Result

KEPT = "runs/studies"  # where finished cells lie, so that an interrupted run continues
RUN: o.Group = {
    "full": (Annotated[bool, typer.Option("--full/--quick", help="10 seeds, or 5.")], False),
    "seeds": (
        Annotated[int | None, typer.Option(help="Seeds; fewer than 5 give no verdict.")],
        None,
    ),
    "keep": (Annotated[str, typer.Option(help="Folder of finished cells; '' keeps none.")], KEPT),
    "book": (
        Annotated[str | None, typer.Option(help="Also write Markdown pages to this folder.")],
        None,
    ),
    "workers": (Annotated[int, typer.Option(help="Processes of one thread.")], 1),
    "budget": (
        Annotated[float | None, typer.Option(help="Seconds after which no seed is begun.")],
        None,
    ),
}


@o.takes(RUN)
def study(
    name: Annotated[str, typer.Argument(help="A study, or: list, all.")] = "list",
    *,
    claims: Annotated[
        bool, typer.Option("--claims", help="With list: every claim and what answers it.")
    ] = False,
    figure: Annotated[
        str | None, typer.Option(help="Also write the figure (.svg, .png, .pdf).")
    ] = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
    given: Mapping[str, Any],
) -> None:
    """Ask a question about deep networks: an experiment, its numbers and its verdict."""
    from undertow.api import study as api

    if name == "list":
        _list(claims=claims, json=json)
        return
    found = []
    with Progress(quiet=quiet) as progress:
        for one in api.names() if name == "all" else (name,):
            result = api.study(
                one,
                quick=not given["full"],
                seeds=given["seeds"],
                folder=given["keep"] or None,
                workers=given["workers"],
                budget_s=given["budget"],
                done=progress.tell,
            )
            found.append(result)
            if not json:
                _show(result)
            if figure is not None:
                api.figure(result, figure)
    if json:  # one document, also for all of them
        held = [text.loads(r.to_json()) for r in found]
        print(text.dumps(held if name == "all" else held[0], indent=1, ensure_ascii=False))
    if given["book"] is not None:
        pages = api.book(found, given["book"])
        print(f"book: {pages[-1]}", file=sys.stderr if json else sys.stdout)


def _show(result: "Result") -> None:
    plain = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    print(result.to_text(ascii_only=plain))


def _list(*, claims: bool, json: bool) -> None:
    from undertow.api import study as api
    from undertow.core.codec import encode

    rows = api.claims() if claims else api.studies()
    if json:
        print(text.dumps(encode(rows), indent=1, ensure_ascii=False))
        return
    for row in rows:
        print(row.line())
