"""`undertow study`."""

import json as text
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from undertow.cli import options as o
from undertow.cli.output import Progress, machine, terminal
from undertow.core.errors import UsageError

if TYPE_CHECKING:
    from undertow.api.study import Result

ALL, INTERRUPTED = "all", 130
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
    "workers": (
        Annotated[
            int | None,
            typer.Option(help="Processes of one thread, where they save time; 2, with --on 1."),
        ],
        None,
    ),
    "stored": (
        Annotated[bool, typer.Option("--stored", help="Show the stored result; run nothing.")],
        False,
    ),
    "budget": (
        Annotated[float | None, typer.Option(help="Seconds after which no seed is begun.")],
        None,
    ),
}


NEXT = """
undertow study NAME --stored   what was found, at once; without --stored it is run again
undertow study NAME --on FILE.py:CALLABLE --data D   the same question to a network of yours
undertow study list --claims   every claim of the textbooks and its answer
undertow explain vanishing     a topic from the start, with these numbers; also: alexnet, vgg,
                               activations, exploding, residual, resnet, inception"""
OWN: o.Group = {
    "on": (
        Annotated[
            str | None,
            typer.Option(help="Ask a network of yours: zoo name, file.py:callable, a run folder."),
        ],
        None,
    ),
    "data": (
        Annotated[str | None, typer.Option(help="With --on: its data; digits unless given.")],
        None,
    ),
}


@o.takes(RUN, OWN)
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
    if given["stored"] and given["on"] is not None:
        raise UsageError("--stored shows the book's own results; leave out --on or --stored")
    try:
        if given["on"] is not None and name in ("list", ALL):
            _survey(given, json=json, quiet=quiet)
        elif name == "list":
            _list(claims=claims, json=json)
        else:
            _run(name, figure, given, json=json, quiet=quiet)
    except KeyboardInterrupt:
        print(f"undertow: interrupted; {_kept(given['keep'])}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None


def _kept(folder: str) -> str:
    if not folder:
        return "nothing was kept (--keep '')"
    return f"finished cells are kept in {folder}, and the same command goes on from there"


def _run(
    name: str, figure: str | None, given: Mapping[str, Any], *, json: bool, quiet: bool
) -> None:
    from undertow.api import study as api

    found = []
    with Progress(quiet=quiet) as progress:
        for one in api.names() if name == ALL else (name,):
            if given["stored"]:
                result = api.stored(one)
            else:
                way = _way(given, progress)
                result = api.study(one, on=given["on"], data=given["data"], **way)
            found.append(result)
            if not json:
                _show(result)
            if figure is not None:
                api.figure(result, figure)
    if json:  # one document, also for all of them
        held = [text.loads(r.to_json()) for r in found]
        machine(text.dumps(held if name == ALL else held[0], indent=1, ensure_ascii=False))
    _book(found, given, json=json)


def _survey(given: Mapping[str, Any], *, json: bool, quiet: bool) -> None:
    from undertow.api import study as api
    from undertow.core.codec import encode

    with Progress(quiet=quiet) as progress:
        each = (lambda _: None) if json else _show
        found = api.survey(given["on"], given["data"], each=each, **_way(given, progress))
    if json:
        machine(text.dumps(encode(found), indent=1, ensure_ascii=False))
    else:
        print(found.to_text())
    _book(found.results, given, json=json)


def _way(given: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    return {
        "quick": not given["full"],
        "seeds": given["seeds"],
        "folder": given["keep"] or None,
        "workers": _workers(given),
        "budget_s": given["budget"],
        "done": progress.tell,
    }


def _workers(given: Mapping[str, Any]) -> int:
    """As asked; else 2 where there are 2 cores and the networks are the book's own."""
    if given["workers"] is not None:
        return int(given["workers"])
    return 1 if given["on"] is not None else min(2, os.cpu_count() or 1)


def _book(found: "Sequence[Result]", given: Mapping[str, Any], *, json: bool) -> None:
    out = given["book"]
    if out is None:
        return
    from undertow.api import study as api

    pages = api.book(found, out, copies=not given["stored"])
    print(f"book: {pages[-1]}", file=sys.stderr if json else sys.stdout)


def _show(result: "Result") -> None:
    how = terminal()
    plain = how["encoding"].lower().replace("-", "") != "utf8"
    print(result.to_text(width=how["width"], ascii_only=plain), flush=True)


def _list(*, claims: bool, json: bool) -> None:
    from undertow.api import study as api
    from undertow.core.codec import encode

    rows = api.claims() if claims else api.studies()
    if json:
        machine(text.dumps(encode(rows), indent=1, ensure_ascii=False))
        return
    width = terminal()["width"]
    for row in rows:
        print(row.line(width))
    if not claims:
        print(NEXT)
