"""`undertow lab flow`."""

import json as text
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from undertow.cli import options as o
from undertow.cli.output import machine, terminal
from undertow.core.errors import unknown

LABS = ("flow",)
FLOW: o.Group = {
    "depth": (Annotated[int, typer.Option(help="Layers, 1 to 64.")], 20),
    "width": (Annotated[int, typer.Option(help="Units of each, 1 to 1024.")], 256),
    "act": (Annotated[str, typer.Option(help="Activation, as relu, sigmoid, tanh.")], "relu"),
    "init": (Annotated[str, typer.Option(help="torch, he, xavier, normal:0.01, ...")], "torch"),
    "norm": (Annotated[str, typer.Option(help="none, batch, group or layer.")], "none"),
    "skip": (Annotated[str, typer.Option(help="none, zero-pad, projection, ...")], "none"),
    "optimizer": (Annotated[str, typer.Option(help="sgd, adam, adamw or rmsprop.")], "sgd"),
    "lr": (Annotated[float, typer.Option(help="Learning rate of the step.")], 0.02),
    "clip_norm": (
        Annotated[float | None, typer.Option(help="Cut the gradient's norm before the step.")],
        None,
    ),
    "input_scale": (Annotated[float, typer.Option(help="Deviation of the input.")], 1.0),
    "seed": (Annotated[int, typer.Option(help="Of weights and input.")], 0),
}


@o.takes(FLOW)
def lab(
    name: Annotated[str, typer.Argument(help="What to look at: flow.")] = "flow",
    *,
    json: o.Json = False,
    given: Mapping[str, Any],
) -> None:
    """Watch signal, gradient and updates through a plain net, theory beside them."""
    from undertow.api import lab as api
    from undertow.core.codec import encode

    if name not in LABS:
        raise unknown("lab", name, LABS)
    found = api.flow(**given)
    if json:
        machine(text.dumps(encode(found), indent=1))
        return
    how = terminal()
    plain = how["encoding"].lower().replace("-", "") != "utf8"
    print(api.flow_text(found, width=how["width"], ascii_only=plain))
