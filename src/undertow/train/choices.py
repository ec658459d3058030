"""Numbers of a training that could not train, or would quietly do nothing, are refused first."""

import math

from undertow.core.errors import UsageError
from undertow.core.plan import TrainChoices
from undertow.train import schedule

SHARES = ("ema", "momentum")  # from 0 to below 1
ABOVE_0 = ("lr", "clip_norm", "clip_value", "unfrozen_lr")
FROM_0 = (
    "l1",
    "l2",
    "mixup",
    "cutmix",
    "patience",
    "evaluate_every",
    "power",
    "aux_weight",
)
FROM_1 = ("batch", "epochs", "steps", "accumulate")


def checked(choices: TrainChoices) -> None:
    """Nothing, where every number is in its range; None (not given) is.

    Raises:
        UsageError: names the first that is not, with the range.
    """
    schedule.checked(choices)
    for name in (*SHARES, *ABOVE_0, *FROM_0, *FROM_1):
        value = getattr(choices, name)
        if value is not None and not (math.isfinite(value) and _fits(name, value)):
            raise UsageError(f"{name}={value} does not train; give a number {_range(name)}")


def _fits(name: str, value: float) -> bool:
    if name in ABOVE_0:
        return value > 0
    return value >= (name in FROM_1) and (name not in SHARES or value < 1)


def _range(name: str) -> str:
    if name in SHARES:
        return "from 0 to below 1"
    return "above 0" if name in ABOVE_0 else f"of {int(name in FROM_1)} or more"
