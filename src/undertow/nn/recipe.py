"""A Recipe: choices turned into factories, which blocks ask for parts."""

from dataclasses import dataclass

from torch import nn

from undertow.core.activation import FACTS
from undertow.core.errors import UsageError, unknown
from undertow.core.plan import Choices
from undertow.nn.activation import activation
from undertow.nn.norm import EPS, LRN_K, Factory, factory, local_response_norm
from undertow.nn.skip import Skip, skip


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a block is made of; it never asks which part it got.

    Attributes:
        activation: word of the activation.
        norm: factory of the norm; None for none.
        skip: the strategy around blocks.
        dropout: share of values dropped where the paper drops; 0 to 1.
        responds: whether local response norms stand where the paper puts them.
        maps: whether the blocks see maps (N, C, H, W), or features (N, C).
        eps: added to the variance by every norm.
    """

    activation: str
    norm: Factory | None
    skip: Skip
    dropout: float = 0.0
    responds: bool = False
    maps: bool = True
    eps: float = EPS

    @property
    def needs_bias(self) -> bool:
        """Whether layers need a bias of their own: no norm follows that adds a shift."""
        return self.norm is None

    def act(self, channels: int = 1) -> nn.Module:
        """A new activation module for one site; `channels` are the slopes of prelu."""
        return activation(self.activation, channels)

    def norm_layers(self, channels: int) -> tuple[nn.Module, ...]:
        """Zero or one norm, to splice into a Sequential whose indices matter."""
        return () if self.norm is None else (self.norm(channels, self.eps),)

    def norm_or_identity(self, channels: int) -> nn.Module:
        """A norm, or an identity in its place, for blocks that name their parts."""
        return nn.Identity() if self.norm is None else self.norm(channels, self.eps)

    def response_layers(self, k: float = LRN_K, over: str = "sum") -> tuple[nn.Module, ...]:
        """Zero or one local response norm, by default as the 2012 paper prints it: α over the sum.

        Args:
            k: its constant.
            over: "sum" or "mean", what α multiplies.
        """
        return (local_response_norm(k=k, over=over),) if self.responds else ()


def recipe(choices: Choices, *, maps: bool = True, eps: float = EPS) -> Recipe:
    """The recipe of resolved choices: every word looked up once.

    Args:
        choices: act, norm, skip and dropout all given.
        maps: True for (N, C, H, W), False for (N, C).
        eps: the family's norm epsilon.

    Raises:
        UsageError: a word that is unknown or not given, or a dropout outside [0, 1).
    """
    dropout = choices.dropout or 0.0
    if not 0 <= dropout < 1:
        raise UsageError(f"dropout={dropout:g} is no share; give 0 or more and less than 1")
    if choices.act not in FACTS:
        raise unknown("act", choices.act, FACTS)
    word = str(choices.norm)
    around = skip(str(choices.skip))
    return Recipe(choices.act, factory(word, maps), around, dropout, word == "lrn", maps, eps)


def head(features: int, classes: int) -> nn.Module:
    """The logits layer; the identity for 0 classes, so that the net gives its features."""
    return nn.Linear(features, classes) if classes else nn.Identity()
