"""When units die, and whether a leak brings them back."""

from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.studies.measures import changed
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study


def _arm(act: str, rate: float) -> Arm:
    return Arm(f"{act}, rate {rate:g}", (("act", act), ("lr", rate)))


STUDY = Study(
    id="dying-relu",
    question="When do units die, and does a leak bring them back?",
    vary=(
        *(_arm("relu", rate) for rate in (0.02, 0.2, 1.0)),
        *(_arm("leaky-relu", rate) for rate in (0.02, 1.0)),
        Arm("relu, bias -20", (("act", "relu"), ("lr", 0.02), ("bias", -20.0))),
        Arm("leaky-relu, bias -20", (("act", "leaky-relu"), ("lr", 0.02), ("bias", -20.0))),
    ),
    hold=Plan(
        "mlp",
        Choices(norm="none", init="he-normal"),
        (("depth", 3), ("width", 64)),
        train=TrainChoices(),
    ),
    data="digits",
    steps=132,
    measure=changed.units,
    statistics=(
        Statistic("dead", "share of units at or below 0 for all 1,437 training digits", 1.0),
        Statistic("accuracy", "share of held-back digits right; chance where not finite"),
        Statistic("lasted", "share of the steps whose loss was finite"),
    ),
    says="Units die at large rates or by a bias, not at usual ones; a leak leaves them silent.",
    margins=".3 of the units or of accuracy; .05 of accuracy is 18 of 360 digits.",
    source="Maas et al. 2013, sec. 3",
    claims=(
        Claim(
            "F19",
            (
                Expect("relu, rate 1", ">", 0.3, 0.0),
                Expect("relu, bias -20", ">", 0.3, 0.0),
                Expect("relu, rate 0.02", ">", 0.1, 0.0),
            ),
            "depends",
            "a large rate or a bad bias kills them; at a usual rate few die",
        ),
        Claim(
            "F21",
            (
                Expect("leaky-relu, rate 1", ">", "relu, rate 0.02", 0.0, "accuracy"),
                Expect("leaky-relu, rate 0.02", ">", "relu, rate 0.02", 0.05, "accuracy"),
                Expect("leaky-relu, bias -20", ">", "relu, bias -20", 0.3, "accuracy"),
            ),
            "refuted",
            "the formula holds for 0 ≤ a ≤ 1, and no gradient is exactly 0; but the rate that"
            " killed the units stays too large, and at a usual rate there is nothing to fix",
        ),
        Claim(
            "revive",
            (Expect("leaky-relu, bias -20", "<", 0.5, 0.0),),
            "refuted",
            "a hundredth of the gradient moves them too slowly: lower the rate or reset the bias",
            says="a leak brings dead units back",
        ),
    ),
)
