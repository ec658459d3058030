"""What a change costs whoever keeps it, as a rank; 0 is nothing in use."""

from collections.abc import Sequence

from undertow.core.plan import Edit

# Per field of a plan; the text of it is each remedy's `cost`.
PRICES = {
    "lr": 0, "init": 0, "reset_bias": 0, "revive_units": 0, "head": 0, "loss": 0,  # free to run
    "warm_up": 1, "standardise": 1, "l1": 1, "l2": 1, "clip_norm": 1, "clip_value": 1,
    "act": 1, "depth": 1,  # another function, no slower
    "optimizer": 2, "zero_gamma": 2,  # memory; a slow first step
    "skip": 3, "norm": 4,  # layers more in every step; a norm's depend on the batch
    "aux": 5, "width": 6,  # heads to be trained; a larger net
}  # fmt: skip
UNKNOWN = 6


def price(change: Sequence[Edit]) -> int:
    """The rank of a change: the sum over its fields."""
    return sum(PRICES.get(e.field, UNKNOWN) for e in change)
