"""Head and loss made to fit: logits where the loss takes them, the loss the targets ask for."""

from undertow.core.finding import Remedy
from undertow.core.plan import Edit

FIX_HEAD = Remedy(
    name="fix-head",
    answers=("output-head",),
    change=(Edit("head", "logits"),),
    cost="the net puts out logits: whoever reads probabilities takes their softmax or sigmoid",
)
FIX_LOSS = Remedy(
    name="fix-loss",
    answers=("loss",),
    change=(Edit("loss", "cross-entropy"),),
    cost="losses are not comparable with the old ones; a detach() has to go by hand",
)
