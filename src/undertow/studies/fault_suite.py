"""Whether look-alikes of a vanishing gradient are told apart."""

from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.studies.measures import faults
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study

HEALTHY = Arm("healthy", (("named", "healthy"),))
FAULTS = (
    Arm("sigmoid, 20 layers",
        (("named", "vanishing"), ("act", "sigmoid"), ("init", "xavier-uniform"), ("depth", 20))),
    Arm("weights x 3, 20 layers", (("named", "exploding"), ("gain", 3.0), ("depth", 20))),
    Arm("biases -20", (("named", "dead"), ("bias", -20.0))),
    Arm("rate 10", (("named", "lr-high"), ("lr", 10.0))),
    Arm("rate 1e-6", (("named", "lr-low"), ("lr", 1e-6))),
    Arm("inputs x 100", (("named", "input-scale"), ("scale", 100.0))),
    Arm("constant inputs", (("named", "data"), ("scale", 0.0))),
)  # fmt: skip
STUDY = Study(
    id="fault-suite",
    question="Can causes that look alike from the loss be told apart before training?",
    vary=(HEALTHY, *FAULTS),
    hold=Plan(
        "mlp",
        Choices(act="relu", norm="none", init="he-normal"),
        (("depth", 5), ("width", 64)),
        train=TrainChoices(lr=0.02),
    ),
    data="digits",
    measure=faults.named,
    statistics=(
        Statistic("named", "1 where the check's mechanism is the fault that was put in"),
        Statistic("alarm", "1 where anything is found"),
        Statistic("progress", "loss after 50 steps on one batch over the constant answer's", 2.0),
        Statistic("decades", "of the gradient lost towards the input", 46.0),
    ),
    says="Each fault is named, and nothing is found on the healthy net.",
    margins="right in at least 4 of 5 seeds.",
    claims=(
        Claim(
            "G19",
            (
                *(Expect(arm.label, ">", 0.7, 0.0, "named") for arm in FAULTS),
                Expect(HEALTHY.label, "<", 0.3, 0.0, "alarm"),
            ),
            says="other causes than vanishing gradients stop a net as well, and one fault put in at"
            " a time is named",
        ),
    ),
)
