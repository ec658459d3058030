"""Auxiliary heads in a training pass: the net is called as ever, what they gave is kept aside."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn


class Kept:
    """What the auxiliary heads gave in the last training pass, by name."""

    def __init__(self) -> None:
        self.aux: dict[str, Tensor] = {}

    def taken(self) -> dict[str, Tensor]:
        """Hand it over."""
        aux, self.aux = self.aux, {}
        return aux


def has_heads(net: nn.Module) -> bool:
    """Whether a net gives auxiliary outputs for training."""
    return hasattr(net, "forward_aux") and len(getattr(net, "heads", ())) > 1


@contextmanager
def collected(net: nn.Module) -> Iterator[Kept]:
    """Inside, a call of the net in training mode also runs its heads; its hooks see it as ever."""
    kept, plain = Kept(), net.forward
    twice: Any = net.forward_aux

    def forward(x: Tensor) -> Any:
        if not net.training:
            return plain(x)
        out = twice(x)
        kept.aux = dict(out.aux)
        return out.logits

    net.forward = forward
    try:
        yield kept
    finally:
        del net.forward
