"""Which changes cost nothing in use: those of a rate, a draw, biases or the ending."""

from collections.abc import Sequence

from undertow.core.plan import Edit

FREE = frozenset({"lr", "init", "reset_bias", "revive_units", "head", "loss"})  # fields of a plan


def free(change: Sequence[Edit]) -> bool:
    """Whether the changed net takes no more time, memory or care than before."""
    return all(e.field in FREE for e in change)
