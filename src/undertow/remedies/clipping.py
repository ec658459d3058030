"""Gradients cut to a size: bounds the step; no help once the forward pass overflows."""

from undertow.core.finding import Rate, Remedy
from undertow.core.plan import Edit

CLIP_NORM = Remedy(  # Pascanu et al. 2013, sec. 3.2
    name="clip-norm",
    answers=("learning-rate", "initialisation"),
    change=(Edit("clip_norm", 1.0),),
    cost="one norm a step",
    expected=(
        Rate("vanishing", 0, 53),
        Rate("exploding", 10, 16),
        Rate("dead", 0, 17),
        Rate("lr-high", 6, 26),
        Rate("lr-low", 0, 24),
        Rate("input-scale", 12, 15),
    ),
)
CLIP_VALUE = Remedy(  # Mikolov 2012, sec. 3.2.2: changes the gradient's direction too
    name="clip-value",
    answers=("learning-rate",),
    change=(Edit("clip_value", 0.5),),
    cost="changes the direction of the step",
)
