"""`ut.summary`."""

from torch import nn

from undertow.instrument.summary import Summary
from undertow.instrument.summary import summary as summarise
from undertow.models import build

__all__ = ["summary"]


def summary(net: nn.Module | str, shape: tuple[int, ...], batch: int = 1) -> Summary:
    """Rows and totals of a network: shapes, parameters, multiply-adds.

    Args:
        net: a module, or the name of a zoo net in its published form.
        shape: of one input, without the batch: (channels, height, width) or (features,).
        batch: samples of the counted pass.

    Raises:
        UsageError: an unknown name, or an input that does not fit.
    """
    return summarise(build(net) if isinstance(net, str) else net, shape, batch)
