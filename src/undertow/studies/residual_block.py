"""How many layers a residual block needs."""

from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.studies.measures import blocks, start, training
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study


def _arm(layers: int) -> Arm:
    count = 12 // layers
    said = f"{count} blocks of {layers} layer{'s' if layers > 1 else ''}"
    return Arm(said, (("layers", layers), ("blocks", count), ("normed", True)))


PLAIN = Arm(
    "plain, 12 layers",
    (("layers", 2), ("blocks", 6), ("normed", True), ("shortcut", "none")),
)
STUDY = Study(
    id="residual-block",
    question="Is the residual one of a layer or of a block?",
    vary=(PLAIN, *(_arm(n) for n in (1, 2, 3))),
    hold=Plan("mlp", Choices(), (("width", 48),), train=TrainChoices(lr=0.02)),
    data="digits",
    steps=66,
    measure=blocks.outcome,
    statistics=(
        Statistic("loss", "training loss of the last tenth over guessing, at most 2", training.CAP),
        Statistic("accuracy", "share of held-back digits right; chance where not finite"),
        Statistic("decades", "of the gradient lost towards the input at the start", -start.CAP),
    ),
    says="y = F(x) + x with F of one, two or three layers trains about equally well here, and each"
    " better than the plain net of as many layers.",
    margins=".05 of the loss of guessing; 12 layers in each arm.",
    source="He et al. 2016, sec. 3.2: with one layer they saw no advantage",
    claims=(
        Claim(
            "S2",
            (
                Expect("12 blocks of 1 layer", "<", "plain, 12 layers", 0.05),
                Expect("6 blocks of 2 layers", "<", "plain, 12 layers", 0.05),
                Expect("4 blocks of 3 layers", "<", "plain, 12 layers", 0.05),
            ),
            instead="F(x) = H(x) − x, where H is what a block of layers should give, not a layer"
            " alone; in the paper blocks have two or three",
            says="adding the input of a block to its output helps, whatever its number of layers",
        ),
    ),
)
