"""The page of a finding: what, why, evidence, limits, causes, remedies, safety, source."""

from functools import cache
from importlib.resources import files

from undertow.core.errors import unknown
from undertow.core.words import SYMPTOMS


@cache
def page(id: str) -> str:
    """The Markdown page of a finding, by its id ("UT101") or its word ("vanishing-gradient").

    Raises:
        UsageError: no finding has that id, or it has no page.
    """
    ids = {found: found for found in SYMPTOMS.values()} | SYMPTOMS
    key = ids.get(id) or ids.get(id.upper()) or ids.get(id.lower())
    home = files("undertow.diagnosis") / "pages"
    text = home / f"{key}.md"
    if key is None or not text.is_file():
        known = (i for i in SYMPTOMS.values() if (home / f"{i}.md").is_file())
        raise unknown("finding", id, sorted(known))
    return text.read_text(encoding="utf-8")
