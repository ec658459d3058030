"""Biases set back to 0 where they hold units off; units that never fire drawn again."""

from undertow.core.finding import Rate, Remedy
from undertow.core.plan import Edit

RESET_BIAS = Remedy(
    name="reset-bias",
    answers=("bias",),
    change=(Edit("reset_bias", True),),
    cost="biases start at 0; weights are kept",
    expected=(Rate("dead", 18, 18),),
)
REVIVE_UNITS = Remedy(  # He et al. 2015, eq. 10, for the dead rows alone; bias .01
    name="revive-units",
    answers=("bias", "learning-rate"),
    change=(Edit("revive_units", True),),
    cost="the dead units' weights are drawn again; all others are kept",
)
