"""A net's parts for freezing and rates: stages of its card, or the children of any module."""

from torch import Tensor, nn

from undertow.models.features import stages
from undertow.nn.parts import Part, by_children, by_ends


def parts(net: nn.Module, x: Tensor) -> tuple[Part, ...]:
    """Near input first, the head last.

    Args:
        net: a net of the zoo, whose stages are its card's, or any module.
        x: a batch of inputs it takes.
    """
    ends = stages(net)
    return by_ends(net, x, ends) if ends else by_children(net, x)
