"""`undertow explain`."""

from typing import Annotated

import typer


def explain(
    topic: Annotated[str, typer.Argument(help="A finding (UT101), or a chapter (vanishing).")],
) -> None:
    """Explain a finding, or a topic in a chapter: alexnet, vgg, activations, vanishing, ..."""
    from undertow.api.explain import explain as page

    print(page(topic))
