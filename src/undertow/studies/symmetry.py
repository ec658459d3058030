"""What happens where all weights of a layer start equal."""

from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.studies.measures import changed, training
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study

STUDY = Study(
    id="symmetry",
    question="Why must weights start different from each other?",
    vary=(Arm("all equal", (("equal", True),)), Arm("he", ())),
    hold=Plan(
        "mlp",
        Choices(act="relu", norm="none", init="he-normal"),
        (("depth", 2), ("width", 64)),
        train=TrainChoices(lr=0.05),
    ),
    data="digits",
    steps=132,
    measure=changed.outcome,
    statistics=(
        Statistic("spread", "largest ‖w_i − w_1‖/‖w_1‖ of the first layer's units after training"),
        Statistic("accuracy", "share of held-back digits right; chance where not finite"),
        Statistic("loss", "training loss of the last tenth over guessing, at most 2", training.CAP),
    ),
    says="Equal units get equal gradients and stay equal: the layer is one unit wide.",
    margins=".3 of accuracy; .001 of the weights is rounding.",
    source="Goodfellow et al. 2016, sec. 8.4",
    claims=(
        Claim(
            "symmetry",
            (
                Expect("all equal", "=", 0.0, 0.001, "spread"),
                Expect("he", ">", "all equal", 0.3, "accuracy"),
            ),
            says="units that start equal stay equal, and the net learns far less",
        ),
    ),
)
