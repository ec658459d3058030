"""`undertow train`."""

import sys
from typing import Annotated, Any

import typer

from undertow.cli import options as o
from undertow.cli.output import ended, terminal

INTERRUPTED = 130
LENGTH: o.Group = {
    "epochs": (Annotated[int, typer.Option(min=1, help="Passes over the training part.")], 10),
    "steps": (
        Annotated[int | None, typer.Option(min=1, help="Steps in all, in place of epochs.")],
        None,
    ),
    "schedule": (Annotated[str, typer.Option(help="constant or cosine.")], "constant"),
    "warm_up": (Annotated[int, typer.Option(min=0, help="Steps of linear warm-up.")], 0),
    "validation": (o.Validation, 0.2),
}
ModelOr = Annotated[str, typer.Argument(help="A zoo name, module:callable or file.py:callable.")]


@o.takes(o.NET, o.TRAINING, LENGTH)
def train(
    model: ModelOr = "conv",
    data: o.Data = "digits",
    run: o.RunFolder = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
    *,
    given: dict[str, Any],
) -> None:
    """Train a network with the watch on; leaves a run folder with checkpoints and a report.

    Exit code 1 where the watch has a finding at the end; Ctrl-C saves and ends with 130.
    """
    from pathlib import Path

    from undertow.api.diagnose import diagnose
    from undertow.api.target import data_for
    from undertow.api.train import new_folder, prepared, trained
    from undertow.cli.live import Live

    arrays = data_for(data, None)
    made = o.source(model, arrays, given)
    folder = Path(run) if run else new_folder(model)
    job = prepared(made, arrays, given["validation"], given["seed"], folder)
    with Live(job.total, job.epoch, quiet=quiet or json) as live:
        options = o.typed(given)
        done = trained(job, each=live.step, on_finding=live.finding, options=options)
    report = diagnose(done.folder)
    _print(done, report, json=json)
    if done.interrupted:
        raise typer.Exit(INTERRUPTED)
    ended(report.healthy or report.diagnosis.watching)


def _print(done: Any, report: Any, *, json: bool) -> None:
    if json:
        print(report.to_json())
        return
    if done.interrupted:
        print(f"interrupted at step {len(done.metrics)}; the last state is saved", file=sys.stderr)
    print(report.to_text(**terminal()))
    if done.evaluations:
        last = done.evaluations[-1]
        right = "" if last.accuracy is None else f", {last.accuracy:.2%} right"
        print(f"held-back  loss {last.loss:.4g}{right} ({last.samples} samples)")
    print(f"run        {done.folder}\nreport     {done.folder / 'report.html'}")
