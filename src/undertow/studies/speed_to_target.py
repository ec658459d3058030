"""Which activation trains fastest, each at its own best rate."""

from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.studies.measures import changed, training
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study

STUDY = Study(
    id="speed-to-target",
    question="Which activation trains fastest, each at its own best rate?",
    vary=(
        Arm("sigmoid", (("act", "sigmoid"), ("init", "xavier-uniform"))),
        Arm("tanh", (("act", "tanh"), ("init", "xavier-uniform"))),
        Arm("relu", (("act", "relu"), ("init", "he-normal"))),
        Arm("leaky-relu", (("act", "leaky-relu"), ("init", "he-normal"))),
        Arm("gelu", (("act", "gelu"), ("init", "he-normal"))),
    ),
    hold=Plan("mlp", Choices(norm="none"), (("depth", 4), ("width", 64)), train=TrainChoices()),
    data="digits",
    steps=176,
    measure=changed.speed,
    statistics=(
        Statistic(
            "epochs",
            "to 95 % of the training digits, at the best of 5 rates; 30: not within 8",
            training.NEVER,
        ),
        Statistic("rate", "the best rate", log=True),
    ),
    says="Relu and tanh tie within an epoch; the sigmoid is far behind both.",
    margins="2 epochs, where the fastest take 2; the best of five rates for each arm.",
    source="Krizhevsky et al. 2012, fig. 1, for the comparison of tanh and relu",
    claims=(
        Claim(
            "F13",
            (Expect("tanh", ">", "relu", 2.0),),
            "refuted",
            "at its own best rate tanh is as fast here; a factor of six in general is not shown",
        ),
        Claim(
            "F16",
            (Expect("sigmoid", ">", "relu", 2.0), Expect("tanh", ">", "relu", 2.0)),
            "depends",
            "than the sigmoid, yes; than tanh, not here",
        ),
    ),
)
