"""`undertow check`."""

from typing import Annotated, Any

import typer

from undertow.cli import options as o
from undertow.cli.output import Progress, ended, show

PROBE: o.Group = {
    "probe_steps": (Annotated[int, typer.Option(min=0, help="Steps on one batch, at most.")], 50),
    "counterfactuals": (Annotated[bool, typer.Option(help="Settle the cause on copies.")], True),
    "budget": (o.Budget, 60.0),
}
Size = Annotated[str | None, typer.Option(help="Random input of this size, as 3x64x64.")]
OwnData = Annotated[
    str | None, typer.Option(help="A folder, .csv, IDX, CIFAR binary, .npz or digits.")
]


@o.takes(o.NET, o.TRAINING, PROBE)
def check(
    model: o.Model,
    data: OwnData = None,
    size: Size = None,
    html: o.Html = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
    *,
    given: dict[str, Any],
) -> None:
    """Say before training whether a network will learn, and if not which layer, what and why.

    undertow check conv --depth 12 --act sigmoid --init xavier --data digits

    undertow check my_net.py:build --data my_data.npz --lr 0.01
    """
    from undertow.api.check import checked
    from undertow.api.target import case, data_for

    arrays = data_for(data, size)
    made = o.source(model, arrays, given)
    with Progress(quiet=quiet or json) as progress:
        report = checked(
            case(made, arrays, model, given["seed"]),
            probe_steps=given["probe_steps"],
            counterfactuals=given["counterfactuals"],
            budget_s=given["budget"],
            facts=(
                ("data", arrays.name if size is None else "random"),
                ("options", o.typed(given)),
            ),
            tell=progress.tell,
        )
    show(report, json=json, html=html)
    ended(report.healthy)
