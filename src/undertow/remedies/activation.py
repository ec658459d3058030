"""Changes of the activation, each with the initialisation that belongs to it."""

from undertow.core.finding import Rate, Remedy
from undertow.core.plan import Edit

DRAWN = "weights are drawn again"

RELU = Remedy(  # ReLU with Xavier loses 1/√2 a layer: He et al. 2015, sec. 2.2
    name="relu",
    answers=("activation",),
    change=(Edit("act", "relu"), Edit("init", "he-normal")),
    cost=DRAWN,
    expected=(
        Rate("vanishing", 19, 50),
        Rate("exploding", 1, 12),
        Rate("dead", 0, 6),
        Rate("lr-high", 1, 26),
        Rate("lr-low", 0, 21),
        Rate("input-scale", 1, 9),
    ),
)
LEAKY_RELU = Remedy(  # Maas et al. 2013; does not revive layers a negative bias has killed
    name="leaky-relu",
    answers=("activation",),
    change=(Edit("act", "leaky-relu"),),
    cost="the function computed changes slightly",
    expected=(
        Rate("vanishing", 3, 61),
        Rate("exploding", 0, 16),
        Rate("dead", 2, 18),
        Rate("lr-high", 6, 33),
        Rate("lr-low", 0, 27),
        Rate("input-scale", 2, 16),
    ),
)
TANH = Remedy(  # LeCun et al. 1998, sec. 4.4; Xavier keeps it critical: Glorot & Bengio 2010
    name="tanh",
    answers=("activation",),
    change=(Edit("act", "tanh"), Edit("init", "xavier-uniform")),
    cost=DRAWN,
)
ELU = Remedy(  # Clevert et al. 2016
    name="elu",
    answers=("activation",),
    change=(Edit("act", "elu"),),
    cost="an exponential a unit",
)
