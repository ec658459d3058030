"""`undertow explain`."""

from typing import Annotated

import typer

from undertow.cli import options as o
from undertow.cli.output import machine


def explain(
    topic: Annotated[str, typer.Argument(help="A finding (UT101), or a chapter (vanishing).")],
    json: o.Json = False,
) -> None:
    """Explain a finding, or a topic in a chapter: alexnet, vgg, activations, vanishing, ..."""
    import json as text

    from undertow.api.explain import explain as page

    if json:
        machine(text.dumps({"topic": topic, "text": page(topic)}, ensure_ascii=False))
    else:
        print(page(topic))
