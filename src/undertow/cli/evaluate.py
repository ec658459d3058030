"""`undertow evaluate`."""

import sys
from typing import Annotated, Any

import typer

from undertow.cli import options as o
from undertow.cli.output import Counter, machine, terminal

SCORING: o.Group = {
    "part": (
        Annotated[str, typer.Option(help="auto, test, validation, held-back, train or all.")],
        "auto",
    ),
    "crops": (Annotated[int, typer.Option(help="Of each image: 1, or 10 averaged.")], 1),
    "precision": (Annotated[str, typer.Option(help="fp32 or bf16.")], "fp32"),
    "batch": (Annotated[int, typer.Option(min=0, help="Samples a pass; 0: as many as fit.")], 0),
    "transform": (
        Annotated[str | None, typer.Option(help="file.py:name of your own pipeline.")],
        None,
    ),
}
Net = Annotated[
    str, typer.Argument(help="A run, a weight file, file.py:callable, or a card with --weights.")
]
DataOr = Annotated[
    str | None, typer.Option(help="As of train; without it the run's own, its held-back part.")
]
Page = Annotated[str | None, typer.Option(help="Also write the page to this file.")]


@o.takes(o.OPENED, SCORING)
def evaluate(
    run: Net,
    data: DataOr = None,
    html: Page = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
    *,
    given: dict[str, Any],
) -> None:
    """Say what a trained net is worth: accuracy with its interval, classes, calibration, worst.

    undertow evaluate runs/my-run --data photos/

    undertow evaluate resnet50 --weights imagenet-v2 --data val/ --crops 10
    """
    from undertow.api.evaluate import How, evaluated, transform_of

    made = o.opened(run, given)
    with Counter("samples", quiet=quiet or json) as counter:
        how = How(
            crops=given["crops"],
            precision=given["precision"],
            batch=given["batch"],
            transform=transform_of(given["transform"]),
            tell=counter.tell,
        )
        found = evaluated(made, data, given["part"], how)
    if json:
        machine(found.to_json())
    else:
        print(found.to_text(**terminal()), end="")
    if html is not None:
        found.to_html(html, " ".join(("undertow", *sys.argv[1:])))
        print(f"report: {html}", file=sys.stderr if json else sys.stdout)
