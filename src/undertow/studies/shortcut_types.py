"""Which shortcut trains best."""

from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.studies.measures import blocks, start, training
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study

OTHERS = ("half", "gate", "dropout", "linear", "none")


def _arm(shortcut: str) -> Arm:
    own = (("blocks", 15), ("normed", True), ("order", "pre"))
    return Arm(shortcut, (*own, ("shortcut", shortcut)))


STUDY = Study(
    id="shortcut-types",
    question="Is the identity the best shortcut?",
    vary=tuple(_arm(kind) for kind in ("identity", *OTHERS)),
    hold=Plan("mlp", Choices(), (("width", 48),), train=TrainChoices(lr=0.02)),
    data="digits",
    steps=66,
    measure=blocks.outcome,
    statistics=(
        Statistic("loss", "training loss of the last tenth over guessing, at most 2", training.CAP),
        Statistic("accuracy", "share of held-back digits right; chance where not finite"),
        Statistic("decades", "of the gradient lost towards the input at the start", -start.CAP),
    ),
    says="The identity has the lowest training loss; halving, gating, dropping or projecting it is"
    " worse.",
    margins=".02 of the loss of guessing; 15 blocks of two layers.",
    source="He et al. 2016b, table 1",
    claims=(Claim("R4", tuple(Expect("identity", "<", other, 0.02) for other in OTHERS)),),
)
