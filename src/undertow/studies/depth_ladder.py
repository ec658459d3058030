"""What depth brings, with all else equal."""

from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.studies.measures import training
from undertow.studies.study import Claim, Expect, Statistic, Study, grid

STUDY = Study(
    id="depth-ladder",
    question="Does more depth learn more, with all else equal?",
    vary=grid(depth=(1, 2, 4, 8)),
    hold=Plan(
        "conv",
        Choices(act="relu", norm="batch", init="he-normal"),
        (("width", 16),),
        train=TrainChoices(lr=0.05),
    ),
    data="digits",
    steps=132,
    measure=training.outcome,
    statistics=(
        Statistic("accuracy", "share of held-back digits right; chance where not finite"),
        Statistic("loss", "training loss of the last tenth over guessing, at most 2", training.CAP),
    ),
    says="The first doublings help much, the later ones little.",
    margins=".02 of accuracy is 7 of 360 digits; plain convolutions of 16 channels, no pools.",
    source="Simonyan & Zisserman 2015, table 3: the error flattens",
    claims=(
        Claim(
            "V6",
            (
                Expect("depth 2", ">", "depth 1", 0.02),
                Expect("depth 4", ">", "depth 2", 0.02),
                Expect("depth 8", ">", "depth 4", 0.02),
            ),
            "depends",
            "up to a point: then the error flattens",
        ),
    ),
)
