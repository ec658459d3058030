"""Whether small filters extract more detail."""

from undertow.core.plan import Plan, TrainChoices
from undertow.studies.measures import convs, training
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study

STUDY = Study(
    id="small-filters",
    question="Do stacked 3x3 filters learn more than one 5x5 that sees as far?",
    vary=(
        Arm("one 5x5 a stage", (("kernel", 5), ("stack", 1))),
        Arm("two 3x3 a stage", (("kernel", 3), ("stack", 2))),
        Arm("one 3x3 a stage", (("kernel", 3), ("stack", 1))),
    ),
    hold=Plan("conv", train=TrainChoices(lr=0.02)),
    data="digits",
    steps=198,
    measure=convs.filters,
    statistics=(
        Statistic("accuracy", "share of held-back digits right; chance where not finite"),
        Statistic("loss", "training loss of the last tenth over guessing, at most 2", training.CAP),
        Statistic("weights", "of the convolutions"),
    ),
    says="As accurate as the 5x5 that sees as far, with fewer weights: the gain is in cost.",
    margins=".02 of accuracy is 7 of 360 digits.",
    source="Simonyan & Zisserman 2015, sec. 2.3",
    claims=(
        Claim(
            "V4",
            (
                Expect("two 3x3 a stage", ">", "one 5x5 a stage", 0.02),
                Expect("two 3x3 a stage", ">", "one 3x3 a stage", 0.02),
            ),
            "depends",
            "a stack sees exactly as far as the large filter, for 18 weights instead of 25 and with"
            " one activation more; it is depth and cost, not detail",
        ),
    ),
)
