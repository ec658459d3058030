"""Whether a sigmoid output is a probability."""

from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.studies.measures import tasks
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study

STUDY = Study(
    id="calibration",
    question="Is the output of a sigmoid a probability?",
    vary=(
        Arm("all images", ()),
        Arm("60 images", (("samples", 60),)),
        Arm("a quarter of the labels wrong", (("noise", 0.25), ("samples", 300))),
    ),
    hold=Plan(
        "mlp",
        Choices(act="relu", norm="none", init="he-normal"),
        (("depth", 2), ("width", 64)),
        classes=2,
        train=TrainChoices(lr=0.05),
    ),
    data="digits",
    steps=330,
    measure=tasks.calibration,
    statistics=(
        Statistic("error", "expected calibration error on held-back digits, odd against even"),
        Statistic("accuracy", "share of them right"),
    ),
    says="It is where the net is right anyway; an over-fitted net is surer than it is right.",
    margins="a mean gap of .05 between said and true share.",
    source="Guo et al. 2017",
    claims=(
        Claim(
            "F5",
            (
                Expect("all images", "<", 0.05, 0.0),
                Expect("60 images", "<", 0.05, 0.0),
                Expect("a quarter of the labels wrong", "<", 0.05, 0.0),
            ),
            "depends",
            "it lies between 0 and 1; whether it is a probability is measured on held-back data",
        ),
    ),
)
