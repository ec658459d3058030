"""`undertow explain`."""

from typing import Annotated

import typer


def explain(
    topic: Annotated[str, typer.Argument(help="A finding: UT101 or vanishing-gradient.")],
) -> None:
    """Explain a finding: what it is, why it is bad, its limit, its causes and remedies."""
    from undertow.api.explain import explain as page

    print(page(topic))
