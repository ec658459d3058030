"""Biases set back to 0, where they hold units off."""

from undertow.core.finding import Rate, Remedy
from undertow.core.plan import Edit

RESET_BIAS = Remedy(
    name="reset-bias",
    answers=("bias",),
    change=(Edit("reset_bias", True),),
    cost="biases start at 0; weights are kept",
    expected=(Rate("dead", 18, 18),),
)
