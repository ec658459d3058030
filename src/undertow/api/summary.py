"""`ut.summary`."""

from dataclasses import replace

from torch import nn

from undertow.api.target import net_for, shape
from undertow.core.plan import Plan
from undertow.instrument.summary import Summary
from undertow.instrument.summary import summary as summarise
from undertow.models import blueprint, card

__all__ = ["summary", "summary_of"]


def summary(net: nn.Module | str | Plan, shape: tuple[int, ...], batch: int = 1) -> Summary:
    """Rows and totals of a network: shapes, parameters, multiply-adds, fields, saved bytes.

    Args:
        net: a module, the name of a zoo net in its published form, or the plan of one.
        shape: of one input, without the batch: (channels, height, width) or (features,).
        batch: samples of the counted pass.

    Raises:
        UsageError: an unknown name, or an input that does not fit.
    """
    if isinstance(net, nn.Module):
        return summarise(net, shape, batch)
    plan = Plan(net) if isinstance(net, str) else net
    found = card(plan.model)
    counted = summarise(blueprint(plan, shape), shape, batch)
    return replace(counted, name=plan.model, notes=found.remarks(plan.variant))


def summary_of(wanted: Plan, size: str | None, batch: int = 1) -> Summary:
    """The summary of a plan as typed: a zoo net is only counted, a module given as code is built.

    Args:
        wanted: `model` may also be `module:callable` or `file.py:callable`.
        size: as `3x224x224`; None: the card's own.
        batch: samples of the counted pass.

    Raises:
        UsageError: an unknown model or option, or an input that does not fit.
    """
    if ":" in wanted.model:
        net, given = net_for(wanted, size)
        return summary(net, given, batch)
    given = card(wanted.model).input if size is None else shape(size)
    return summary(replace(wanted, in_channels=given[0]), given, batch)
