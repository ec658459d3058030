"""Whether training explodes because of its start or because of its steps."""

from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.studies.measures import start, training
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study

STUDY = Study(
    id="exploding-cause",
    question="Does training explode because of its start or because of its steps?",
    vary=(
        Arm("healthy", (("lr", 0.02),)),
        Arm("weights x 1.7", (("lr", 0.02), ("gain", 1.7))),
        Arm("rate 2", (("lr", 2.0),)),
    ),
    hold=Plan(
        "mlp",
        Choices(act="relu", norm="none", init="he-normal"),
        (("depth", 20), ("width", 64)),
        train=TrainChoices(lr=0.02),
    ),
    data="digits",
    steps=60,
    measure=training.with_start,
    statistics=(
        Statistic("loss", "training loss of the last tenth over guessing, at most 2", training.CAP),
        Statistic("lasted", "share of the steps whose loss was finite"),
        Statistic("decades", "of the gradient lost towards the input at the start", -start.CAP),
    ),
    says="Both end in losses that are not finite; large weights show before the first step, a"
    " large rate only after it.",
    margins="half the loss of guessing; .3 of the steps; 1 decade is ten times.",
    claims=(
        Claim(
            "G11",
            (
                Expect("weights x 1.7", ">", "healthy", 0.5, "loss"),
                Expect("rate 2", ">", "healthy", 0.5, "loss"),
            ),
        ),
        Claim(
            "G12",
            (
                Expect("weights x 1.7", "<", "healthy", 0.3, "lasted"),
                Expect("rate 2", "<", "healthy", 0.3, "lasted"),
            ),
            instead="the loss becomes infinite or NaN within few steps",
        ),
        Claim(
            "G13",
            (
                Expect("weights x 1.7", ">", "healthy", 0.5, "loss"),
                Expect("weights x 1.7", "<", "healthy", 1.0, "decades"),
                Expect("rate 2", ">", "healthy", 0.5, "loss"),
                Expect("rate 2", "=", "healthy", 0.1, "decades"),
            ),
            instead="two things: large weights are seen before step 0, a large rate is not",
        ),
    ),
)
