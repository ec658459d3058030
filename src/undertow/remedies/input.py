"""Features brought to mean 0 and standard deviation 1."""

from undertow.core.finding import Rate, Remedy
from undertow.core.plan import Edit

STANDARDISE_INPUT = Remedy(  # LeCun et al. 1998, sec. 4.3
    name="standardise-input",
    answers=("input-scale",),
    change=(Edit("standardise", True),),
    cost="the training split's mean and deviation must travel with the net",
    expected=(Rate("input-scale", 16, 16),),
)
