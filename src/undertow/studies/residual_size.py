"""How large the residual is beside what it is added to."""

from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.studies.measures import blocks
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study

STUDY = Study(
    id="residual-size",
    question="How large is the residual beside the input it is added to?",
    vary=tuple(
        Arm(f"{n} blocks", (("blocks", n), ("normed", True), ("order", "pre"))) for n in (4, 12)
    ),
    hold=Plan("mlp", Choices(), (("width", 48),), train=TrainChoices(lr=0.02)),
    data="digits",
    steps=132,
    measure=blocks.sizes,
    statistics=(
        Statistic("ratio", "median over the blocks of std F(x) / std x, after training", 10.0),
        Statistic("first", "the same of the first block", 10.0),
        Statistic("last", "of the last block", 10.0),
        Statistic("accuracy", "share of held-back digits right"),
    ),
    says="Smaller than its input, and the smaller the more blocks there are: a refinement.",
    margins=".1 of the ratio.",
    source="He et al. 2016, fig. 7",
    claims=(
        Claim(
            "S5",
            (
                Expect("12 blocks", "<", 1.0, 0.1),
                Expect("12 blocks", "<", "4 blocks", 0.1),
            ),
            instead="measured as std F(x) over std x of each block",
        ),
    ),
)
