"""What a network without activations cannot do."""

from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.studies.measures import tasks
from undertow.studies.study import Claim, Expect, Statistic, Study, grid

STUDY = Study(
    id="nonlinearity",
    question="What can a network without activations not do?",
    vary=grid(act=("identity", "relu", "tanh", "sigmoid")),
    hold=Plan(
        "mlp",
        Choices(norm="none", init="xavier-uniform"),
        (("depth", 2), ("width", 16)),
        classes=2,
        train=TrainChoices(optimizer="adam", lr=0.02),
    ),
    data="xor: the sign of x·y, 512 points of N(0, 1)²",
    steps=300,
    measure=tasks.xor,
    statistics=(Statistic("accuracy", "share of 512 fresh points right"),),
    says="Layers without activation are one linear map, and no line parts the quadrants.",
    margins=".2 of accuracy is far above what a line can reach (half, and a little by chance).",
    source="Minsky & Papert 1969",
    claims=(
        Claim(
            "A7",
            (Expect("relu", ">", "identity", 0.2), Expect("identity", "<", 0.75, 0.0)),
            instead="any activation that is not a straight line does, not ReLU alone",
        ),
        Claim(
            "F1",
            (
                Expect("relu", ">", "identity", 0.2),
                Expect("tanh", ">", "identity", 0.2),
                Expect("sigmoid", ">", "identity", 0.2),
            ),
        ),
    ),
)
