"""Whether saturation is what makes the gradient vanish."""

from undertow.core.plan import Choices, Plan
from undertow.studies.measures import start
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study

STUDY = Study(
    id="saturation",
    question="Is saturation what makes the gradient vanish?",
    vary=(
        Arm("sigmoid, xavier", (("act", "sigmoid"), ("init", "xavier-uniform"))),
        Arm("sigmoid, bias 8", (("act", "sigmoid"), ("init", "xavier-uniform"), ("bias", 8.0))),
        Arm("tanh, xavier", (("act", "tanh"), ("init", "xavier-uniform"))),
        Arm("tanh, torch", (("act", "tanh"), ("init", "torch"))),
        Arm("tanh, xavier x 3", (("act", "tanh"), ("init", "xavier-uniform"), ("gain", 3.0))),
        Arm("relu, torch", (("act", "relu"), ("init", "torch"))),
    ),
    hold=Plan("mlp", Choices(norm="none"), (("depth", 20), ("width", 256))),
    measure=start.saturation,
    statistics=(
        Statistic("decades", "of the gradient lost towards the input; below 0 it grows", start.CAP),
        Statistic("saturated", "share of inputs where the slope is under 5 % of the largest"),
    ),
    says="A sigmoid net vanishes with hardly an input saturated; saturation by a bias makes it"
    " worse; tanh with large weights is saturated and its gradient grows.",
    margins="3 decades are the limit of a finding; .05 of the inputs is few.",
    claims=(
        Claim(
            "G4",
            (
                Expect("sigmoid, bias 8", ">", "sigmoid, xavier", 3.0),
                Expect("sigmoid, xavier", ">", 0.05, 0.0, "saturated"),
                Expect("tanh, torch", ">", 0.05, 0.0, "saturated"),
                Expect("tanh, xavier x 3", ">", 3.0, 0.0),
            ),
            "depends",
            "saturation is a cause of its own: the sigmoid's slope of at most 1/4 and a small init"
            " vanish without it, and large weights with tanh saturate without vanishing",
        ),
    ),
)
