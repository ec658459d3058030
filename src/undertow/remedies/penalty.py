"""Penalties on the weights; against an explosion they come too late (NaN at the same step)."""

from undertow.core.finding import Remedy
from undertow.core.plan import Edit

L1 = Remedy(
    name="l1",
    answers=("initialisation",),
    change=(Edit("l1", 1e-5),),
    cost="pulls small weights to 0",
)
L2 = Remedy(  # Krogh & Hertz 1992
    name="l2",
    answers=("initialisation",),
    change=(Edit("l2", 1e-4),),
    cost="pulls all weights towards 0",
)
