"""`ut.build` and `ut.models`."""

from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from torch import nn

from undertow.core.errors import unknown
from undertow.models import build as built
from undertow.models import cards
from undertow.models.card import Card

__all__ = ["build", "models"]


def models(pattern: str = "*") -> tuple[Card, ...]:
    """The cards whose name or family matches a glob pattern, in the order of their papers.

    Raises:
        UsageError: nothing matches.
    """
    found = tuple(c for c in cards() if fnmatch(c.name, pattern) or fnmatch(c.family, pattern))
    if not found:
        raise unknown("model", pattern, [c.name for c in cards()])
    return found


def build(
    name: str,
    *,
    variant: str = "published",
    weights: str | Path | None = None,
    classes: int | None = None,
    in_channels: int | None = None,
    act: str | None = None,
    norm: str | None = None,
    init: str | None = None,
    skip: str | None = None,
    aux: bool | int | None = None,
    dropout: float | None = None,
    seed: int | None = None,
    **sizes: int | tuple[int, ...] | None,
) -> nn.Module:
    """A network of the zoo; None is the card's own value.

    Args:
        name: a card of `models()`.
        variant: `published` (the checkpoint everyone has) or `paper`.
        weights: a published tag of the card (`imagenet`, `imagenet-v2`, `cifar10`), downloaded
            once, a file (.safetensors, .pth) or the folder of a run.
        classes: outputs of the head.
        in_channels: channels of the input (features, for `mlp`).
        act: activation at every hidden site.
        norm: normalisation at every site the family has.
        init: initialisation word.
        skip: shortcut of residual nets, `mlp` and `conv`.
        aux: auxiliary heads: none, all or how many.
        dropout: share of units dropped.
        seed: of a local generator; the global random state is left alone.
        sizes: depth, width, pool_at for the cards that have them.

    Raises:
        UsageError: an unknown word, size or file, naming what is allowed.
    """
    given: dict[str, Any] = {
        "variant": variant,
        "classes": classes,
        "in_channels": in_channels,
        "act": act,
    }
    given |= {"norm": norm, "init": init, "skip": skip, "aux": aux, "dropout": dropout}
    file = None if weights is None else str(weights)
    return built(name, weights=file, seed=seed, **given, **sizes)
