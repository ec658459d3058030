"""`undertow repair`."""

import sys
from typing import Annotated, Any

import typer

from undertow.cli import options as o
from undertow.cli.output import Progress, ended, show

Keep = Annotated[
    str | None, typer.Option(help="Folder that keeps finished trials: given again, it goes on.")
]
PROOF: o.Group = {
    "seeds": (Annotated[int, typer.Option(min=1, help="Trials an arm; 3 or more show.")], 3),
    "steps": (Annotated[int, typer.Option(min=1, help="Optimiser steps of a trial.")], 300),
    "validation": (o.Validation, 0.2),
    "budget": (o.Budget, 300.0),
    "run": (Keep, None),
}
Diff = Annotated[bool, typer.Option("--diff", help="Print what to change in the code.")]


@o.takes(o.NET, o.TRAINING, PROOF)
def repair(
    model: o.Model,
    data: o.Data = "digits",
    html: o.Html = None,
    diff: Diff = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
    *,
    given: dict[str, Any],
) -> None:
    """Find what keeps a network from training, change exactly that, prove it by paired training.

    Every arm trains on the same batches with the same seeds: the unrepaired control, the remedy,
    and a decoy that should not help. Exit code 0: repaired or improved; 1: not shown.
    """
    from undertow.api.repair import proven, remembered
    from undertow.api.target import data_for, trials

    arrays = data_for(data, None)
    made = o.source(model, arrays, given)
    with Progress(quiet=quiet or json) as progress:
        how = trials(
            arrays,
            given["validation"],
            steps=given["steps"],
            seeds=given["seeds"],
            budget_s=given["budget"],
            tell=progress.tell,
        )
        facts = (("data", arrays.name), ("options", o.typed(given)))
        fix = proven(made, remembered(how, given["run"]), name=model, facts=facts)
    show(fix.report, json=json, html=html)
    for line in fix.skipped:
        print(f"not trained  {line}", file=sys.stderr)
    if diff and not json and fix.diff():
        print("\n" + fix.diff())
    ended(fix.report.healthy or fix.verdict.word in ("repaired", "improved"))
