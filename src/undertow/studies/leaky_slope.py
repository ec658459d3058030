"""Whether the slope of a leaky ReLU matters."""

from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.studies.measures import changed, training
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study


def _arm(leak: float) -> Arm:
    gain = ((1 + 0.01**2) / (1 + leak * leak)) ** 0.5  # he-normal has that of the .01 built in
    return Arm(f"slope {leak:g}", (("act", "leaky-relu"), ("leak", leak), ("gain", gain)))


STUDY = Study(
    id="leaky-slope",
    question="Does the slope of a leaky ReLU matter?",
    vary=(*(_arm(a) for a in (0.0, 0.01, 0.1, 0.3)), Arm("prelu", (("act", "prelu"),))),
    hold=Plan(
        "mlp",
        Choices(norm="none", init="he-normal"),
        (("depth", 6), ("width", 64)),
        train=TrainChoices(lr=0.02),
    ),
    data="digits",
    steps=330,
    measure=changed.outcome,
    statistics=(
        Statistic("accuracy", "share of held-back digits right; chance where not finite"),
        Statistic("loss", "training loss of the last tenth over guessing, at most 2", training.CAP),
    ),
    says="Within a few digits of each other, where the gain √(2/(1+a²)) follows the slope.",
    margins=".03 of accuracy is 11 of 360 digits.",
    source="He et al. 2015, sec. 2.2: the gain",
    claims=(
        Claim(
            "F23",
            (
                Expect("slope 0.3", ">", "slope 0.01", 0.03),
                Expect("slope 0.1", ">", "slope 0.01", 0.03),
                Expect("prelu", ">", "slope 0.01", 0.03),
                Expect("slope 0", "<", "slope 0.01", 0.03),
            ),
            "refuted",
            "in a small net of six layers it does not",
        ),
    ),
)
