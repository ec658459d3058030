"""A norm after every layer with weights, before its activation."""

from undertow.core.finding import Rate, Remedy
from undertow.core.plan import Edit

BATCH_NORM = Remedy(  # Ioffe & Szegedy 2015; cures nearly everything but a rate too low
    name="batch-norm",
    answers=("normalisation", "initialisation", "bias", "activation", "input-scale"),
    change=(Edit("norm", "batch"),),
    cost="two parameters a channel; batches of 4 or more; evaluation uses running statistics",
    expected=(
        Rate("vanishing", 52, 57),
        Rate("exploding", 15, 16),
        Rate("dead", 18, 18),
        Rate("lr-high", 15, 28),
        Rate("lr-low", 0, 22),
        Rate("input-scale", 14, 15),
    ),
)
GROUP_NORM = Remedy(  # Wu & He 2018: free of the batch's size
    name="group-norm",
    answers=("normalisation", "initialisation", "bias", "activation", "input-scale"),
    change=(Edit("norm", "group"),),
    cost="two parameters a channel",
)
