"""`undertow export`."""

import json as text
from typing import Annotated, Any

import typer

from undertow.cli import options as o
from undertow.cli.output import Progress, machine

Run = Annotated[str, typer.Argument(help="A run folder, a weight file, or MODEL with --weights.")]
To = Annotated[str, typer.Option("--to", help="net.onnx, net.pt2 or net.safetensors.")]
WRITING: o.Group = {
    "opset": (Annotated[int | None, typer.Option(help="Of ONNX; the exporter's own.")], None),
    "images": (
        Annotated[
            str | None, typer.Option(help="File or folder to compare on; the run's own data.")
        ],
        None,
    ),
}


@o.takes(o.OPENED, WRITING)
def export(
    run: Run,
    to: To,
    json: o.Json = False,
    quiet: o.Quiet = False,
    *,
    given: dict[str, Any],
) -> None:
    """Write a trained net as ONNX, torch.export or plain weights, and compare it with the net.

    undertow export runs/my-run --to net.onnx

    Preprocessing and class names stand in the file and in the .json beside it. A file whose
    outputs are not the net's is removed, and the exit code is 3.
    """
    from undertow.api.export import exported
    from undertow.core.codec import encode

    source = o.opened(run, given)
    with Progress(quiet=quiet or json) as progress:
        progress.tell(f"writing {to}")
        made = exported(source, to, given["images"], given["opset"])
    if json:
        machine(text.dumps(encode(made), ensure_ascii=False))
        return
    print(made.words())
    print(f"inputs     {source.inputs.words() if source.inputs else 'not said'}")
    print(f"beside     {made.beside}")
