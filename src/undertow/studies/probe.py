"""Whether deeper layers hold more of what a linear readout needs."""

from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.studies.measures import tasks
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study

STUDY = Study(
    id="probe",
    question="Do deeper layers hold features that a line can tell the classes by?",
    vary=(Arm("6 layers", (("depth", 6),)), Arm("2 layers", (("depth", 2),))),
    hold=Plan(
        "mlp",
        Choices(act="relu", norm="none", init="he-normal"),
        (("width", 32),),
        classes=2,
        train=TrainChoices(lr=0.02),
    ),
    data="digits",
    steps=264,
    measure=tasks.linear_probe,
    statistics=(
        Statistic(
            "last", "accuracy of a linear readout of the last hidden layer: odd against even"
        ),
        Statistic("middle", "of the middle one"),
        Statistic("first", "of the first one"),
        Statistic("input", "of the image itself"),
        Statistic("gain_middle", "middle less first"),
        Statistic("gain_last", "last less middle"),
    ),
    says="The readout improves from the first layer to the middle and then hardly.",
    margins=".02 of accuracy is 7 of 360 digits.",
    source="Alain & Bengio 2016",
    claims=(
        Claim(
            "A5",
            (
                Expect("6 layers", ">", 0.0, 0.02, "gain_middle"),
                Expect("6 layers", ">", 0.0, 0.02, "gain_last"),
            ),
            "depends",
            "up to a point: what a readout needs is there half-way",
            says="deeper layers hold features that tell the classes more easily",
        ),
    ),
)
