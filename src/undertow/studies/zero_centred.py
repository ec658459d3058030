"""Whether it matters that an activation is centred on 0."""

from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.studies.measures import changed, training
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study

STUDY = Study(
    id="zero-centred",
    question="Does it matter that an activation is centred on 0?",
    vary=(
        Arm("sigmoid", (("act", "sigmoid"),)),
        Arm("sigmoid - 1/2", (("act", "sigmoid"), ("moved", "sigmoid - 1/2"))),
        Arm("tanh", (("act", "tanh"),)),
        Arm("(tanh + 1)/2", (("act", "tanh"), ("moved", "(tanh + 1)/2"))),
    ),
    hold=Plan(
        "mlp",
        Choices(norm="none", init="xavier-uniform"),
        (("depth", 4), ("width", 64)),
        train=TrainChoices(),
    ),
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
    says="The same curve moved to mean 0 trains faster, and tanh moved off 0 trains slower.",
    margins="2 epochs, where the fastest take 2 to 4; the best of five rates for each arm.",
    source="LeCun et al. 1998, sec. 4.4",
    claims=(
        Claim("F8", (Expect("sigmoid", ">", "sigmoid - 1/2", 2.0),)),
        Claim("F11", (Expect("(tanh + 1)/2", ">", "tanh", 2.0),)),
    ),
)
