"""The rate of the optimiser: lower, higher, warmed up, or Adam's own."""

from undertow.core.finding import Rate, Remedy
from undertow.core.plan import Edit

LOWER_LR = Remedy(  # the value is put in where it is proposed: a tenth of the rate, or the probe's
    name="lower-lr",
    answers=("learning-rate",),
    change=(Edit("lr", 0.01),),
    cost="none",
    expected=(
        Rate("vanishing", 0, 61),
        Rate("exploding", 9, 16),
        Rate("dead", 0, 18),
        Rate("lr-high", 32, 33),
        Rate("input-scale", 11, 16),
    ),
)
RAISE_LR = Remedy(  # likewise: ten times the rate, or what the probe found best up to 100 times
    name="raise-lr",
    answers=("learning-rate",),
    change=(Edit("lr", 0.1),),
    cost="none",
    expected=(
        Rate("vanishing", 4, 61),
        Rate("exploding", 0, 3),
        Rate("dead", 0, 18),
        Rate("lr-high", 0, 19),
        Rate("lr-low", 27, 27),
        Rate("input-scale", 0, 6),
    ),
)
WARM_UP = Remedy(  # Goyal et al. 2017, sec. 2.2
    name="warm-up",
    answers=("learning-rate",),
    change=(Edit("warm_up", 50),),
    cost="50 steps at a smaller rate",
)
ADAM = Remedy(  # Kingma & Ba 2015, sec. 2: its usual rate; a change of the rate above all
    name="adam",
    answers=("learning-rate", "input-scale"),
    change=(Edit("optimizer", "adam"), Edit("lr", 1e-3)),
    cost="two numbers more a parameter",
    expected=(
        Rate("vanishing", 13, 51),
        Rate("exploding", 10, 15),
        Rate("dead", 1, 13),
        Rate("lr-high", 23, 23),
        Rate("lr-low", 15, 15),
        Rate("input-scale", 15, 16),
    ),
)
