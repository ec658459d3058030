"""Auxiliary heads in a training pass: the net is called as ever, what they gave is kept aside."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from undertow.nn.auxiliary import AUX_WEIGHT, Tapped


class Kept:
    """What the auxiliary heads gave in the last training pass, by name."""

    def __init__(self) -> None:
        self.aux: dict[str, Tensor] = {}

    def taken(self) -> dict[str, Tensor]:
        """Hand it over."""
        aux, self.aux = self.aux, {}
        return aux


Forward = Callable[[Tensor], tuple[Tensor, dict[str, Tensor]]]


def has_heads(net: nn.Module) -> bool:
    """Whether a net gives auxiliary outputs for training."""
    own = hasattr(net, "forward_aux") and len(getattr(net, "heads", ())) > 1
    return own or any(isinstance(m, Tapped) for m in net.modules())


def weight_of(choice: float | None) -> float:
    """Share of each auxiliary loss: as chosen, else the paper's."""
    return AUX_WEIGHT if choice is None else choice


@contextmanager
def collected(net: nn.Module) -> Iterator[Kept]:
    """Inside, a call of the net in training mode also runs its heads; its hooks see it as ever."""
    kept, plain = Kept(), net.forward
    own = hasattr(net, "forward_aux")
    twice: Any = net.forward_aux if own else plain
    taps = {p: m for p, m in net.named_modules() if isinstance(m, Tapped)}

    def forward(x: Tensor) -> Any:
        if not net.training:
            return plain(x)
        out = twice(x)
        kept.aux = dict(out.aux) if own else {}
        kept.aux |= {p: given for p, m in taps.items() if (given := m.taken()) is not None}
        return out.logits if own else out

    net.forward = forward
    try:
        yield kept
    finally:
        del net.forward


@contextmanager
def heard(net: nn.Module, call: Callable[[Tensor], Any], weight: float) -> Iterator[Forward | None]:
    """How a net is called so that its heads' outputs are kept; None where it has none to hear."""
    if not weight or not has_heads(net):
        yield None
        return
    with collected(net) as kept:
        yield lambda x: (call(x), kept.taken())
