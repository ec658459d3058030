"""What raw inputs do to a net that is healthy on standardised ones."""

from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.studies.measures import training
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study

STUDY = Study(
    id="input-scale",
    question="What do raw inputs do to a net that trains on standardised ones?",
    vary=(
        Arm("standardised", ()),
        Arm("x 100", (("scale", 100.0),)),
        Arm("x .01", (("scale", 0.01),)),
        Arm("shifted by 10", (("shift", 10.0),)),
        Arm("x 100, batch norm", (("scale", 100.0), ("norm", "batch"))),
    ),
    hold=Plan(
        "mlp",
        Choices(act="relu", norm="none", init="he-normal"),
        (("depth", 5), ("width", 64)),
        train=TrainChoices(lr=0.05),
    ),
    data="digits",
    steps=110,
    measure=training.outcome,
    statistics=(
        Statistic("loss", "training loss of the last tenth over guessing, at most 2", training.CAP),
        Statistic("accuracy", "share of held-back digits right; chance where not finite"),
        Statistic("lasted", "share of the steps whose loss was finite"),
    ),
    says="Large, tiny and shifted inputs each spoil it; batch norm makes it indifferent to scale.",
    margins=".2 of the loss of guessing.",
    source="LeCun et al. 1998, sec. 4.3",
    claims=(
        Claim(
            "input-scale",
            (
                Expect("x 100", ">", "standardised", 0.2),
                Expect("x .01", ">", "standardised", 0.2),
                Expect("shifted by 10", ">", "standardised", 0.2),
                Expect("x 100, batch norm", "<", "x 100", 0.2),
            ),
            says="inputs of another scale or mean stop a net that trains on standardised ones, and"
            " batch norm takes the scale out",
        ),
    ),
)
