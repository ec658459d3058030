"""Weights drawn again at the size their activation needs."""

from undertow.core.finding import Rate, Remedy
from undertow.core.plan import Edit

DRAWN = "weights are drawn again"
BY_RULE = (  # measured for the rule that fits the activation: diagnosis.md, section 8
    Rate("vanishing", 26, 50),
    Rate("exploding", 13, 15),
    Rate("lr-high", 0, 6),
    Rate("lr-low", 0, 9),
    Rate("input-scale", 0, 1),
)

HE_INIT = Remedy(  # He et al. 2015, eq. 10: variance 2/fan_in, for the ReLU family
    name="he-init",
    answers=("initialisation",),
    change=(Edit("init", "he-normal"),),
    cost=DRAWN,
    expected=BY_RULE,
)
XAVIER_INIT = Remedy(  # Glorot & Bengio 2010, eq. 16: for activations of slope 1 at 0
    name="xavier-init",
    answers=("initialisation",),
    change=(Edit("init", "xavier-uniform"),),
    cost=DRAWN,
    expected=BY_RULE,
)
ORTHOGONAL_INIT = Remedy(  # Saxe et al. 2014, sec. 3
    name="orthogonal-init",
    answers=("initialisation",),
    change=(Edit("init", "orthogonal"),),
    cost=DRAWN,
)
LSUV_INIT = Remedy(  # Mishkin & Matas 2016: rescaled by what the layer puts out on real inputs
    name="lsuv-init",
    answers=("initialisation",),
    change=(Edit("init", "lsuv"),),
    cost="weights are drawn again and rescaled on one batch",
)
