"""Paths past the layers and how they start, heads half-way, fewer layers, wider layers."""

from undertow.core.finding import Rate, Remedy
from undertow.core.plan import Edit

SKIP = Remedy(  # He et al. 2016, sec. 3; alone it never cured an explosion
    name="skip",
    answers=("depth",),
    change=(Edit("skip", "projection"),),
    cost="1x1 convolutions where the shape changes",
    expected=(
        Rate("vanishing", 16, 47),
        Rate("exploding", 0, 9),
        Rate("dead", 1, 15),
        Rate("lr-high", 1, 23),
        Rate("lr-low", 0, 15),
        Rate("input-scale", 1, 11),
    ),
)
SHALLOWER = Remedy(
    name="shallower",
    answers=("depth",),
    change=(Edit("depth", 3),),
    cost="a smaller net: it can represent less",
    expected=(
        Rate("vanishing", 17, 53),
        Rate("exploding", 7, 14),
        Rate("dead", 1, 16),
        Rate("lr-high", 3, 28),
        Rate("lr-low", 0, 21),
        Rate("input-scale", 0, 13),
    ),
)
WIDER = Remedy(  # a ReLU layer of width n is born dead with probability 2⁻ⁿ: Lu et al. 2019
    name="wider",
    answers=("initialisation", "depth"),
    change=(Edit("width", 64),),
    cost="parameters and time grow with the square of the width",
)
ZERO_GAMMA = Remedy(  # Goyal et al. 2017, sec. 5.1: every residual block starts as the identity
    name="zero-gamma",
    answers=("initialisation", "depth"),
    change=(Edit("zero_gamma", True),),
    cost="branches learn nothing in the first step",
)
AUX_HEAD = Remedy(  # Szegedy et al. 2015, sec. 5: a loss half-way shortens the way of the gradient
    name="aux-head",
    answers=("depth",),
    change=(Edit("aux", True),),
    cost="one linear layer more in training; its loss has a share of 0.3",
)
