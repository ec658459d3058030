"""`ut.explain`: the page of a finding, or a chapter."""

from undertow.core.errors import unknown
from undertow.core.words import SYMPTOMS
from undertow.diagnosis.pages import page
from undertow.studies.chapter import CHAPTERS, chapter

__all__ = ["explain"]


def explain(topic: str) -> str:
    """The page of a finding, or a chapter with its studies' numbers, as Markdown; without torch.

    Args:
        topic: a finding's id or word (UT101, vanishing-gradient), or alexnet, vgg, activations,
            vanishing, exploding, residual, resnet or inception.

    Raises:
        UsageError: no page of that name.
    """
    if topic.lower() in CHAPTERS:
        return chapter(topic.lower())
    ids = {**{v: v for v in SYMPTOMS.values()}, **SYMPTOMS}
    found = ids.get(topic.upper()) or ids.get(topic.lower())
    if found is None:
        raise unknown("topic", topic, (*CHAPTERS, *SYMPTOMS.values(), *SYMPTOMS))
    return page(found)
