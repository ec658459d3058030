"""`ut.explain`: the page of a finding."""

from undertow.core.errors import unknown
from undertow.core.words import SYMPTOMS
from undertow.diagnosis.pages import page

__all__ = ["explain"]


def explain(topic: str) -> str:
    """The page of a finding id or word as Markdown: what, why, evidence, limit, remedies, source.

    Raises:
        UsageError: no page of that name.
    """
    ids = {**{v: v for v in SYMPTOMS.values()}, **SYMPTOMS}
    found = ids.get(topic.upper()) or ids.get(topic.lower())
    if found is None:
        raise unknown("topic", topic, (*SYMPTOMS.values(), *SYMPTOMS))
    return page(found)
