"""`ut.build` and `ut.models`."""

from fnmatch import fnmatch

from undertow.models import build, cards
from undertow.models.card import Card

__all__ = ["build", "models"]


def models(pattern: str = "*") -> tuple[Card, ...]:
    """The cards whose name or family matches a glob pattern, in the order of their papers."""
    return tuple(c for c in cards() if fnmatch(c.name, pattern) or fnmatch(c.family, pattern))
