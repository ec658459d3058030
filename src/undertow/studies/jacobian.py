"""What the factor of one layer is made of."""

from undertow.core.plan import Choices, Plan
from undertow.studies.measures import start
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study


def _arm(act: str, gain: float) -> Arm:
    return Arm(f"{act}, gain {gain:g}", (("act", act), ("gain", gain)))


ARMS = (
    _arm("identity", 1.0),
    _arm("identity", 0.7),
    _arm("sigmoid", 1.0),
    _arm("sigmoid", 4.0),
    _arm("tanh", 0.5),
    _arm("relu", 1.41421),
    _arm("relu", 0.5),
)
STUDY = Study(
    id="jacobian",
    question="What is the factor of one layer made of?",
    vary=ARMS,
    hold=Plan("mlp", Choices(norm="none", init="xavier-uniform"), (("depth", 20), ("width", 256))),
    measure=start.slopes,
    statistics=(
        Statistic("decades", "of the gradient lost towards the input", start.CAP),
        Statistic("factor", "gradient kept at each layer, measured", 0.0),
        Statistic("expected", "gain·√E f'² at the fixed point of mean field"),
        Statistic("gap", "measured less expected", 1.0),
    ),
    says="Not the slope alone but the product of slope and weights: √(σ_w²·E f'²) a layer.",
    margins="3 decades are the limit of a finding; .05 of a factor is 5 % a layer.",
    source="Poole et al. 2016; Schoenholz et al. 2017, eq. 9 (χ₁)",
    claims=(
        Claim(
            "G6",
            (
                Expect("sigmoid, gain 1", ">", 3.0, 0.0),
                Expect("identity, gain 0.7", "<", 2.0, 0.0),
                Expect("sigmoid, gain 4", ">", 3.0, 0.0),
            ),
            "depends",
            "what counts is slope times weight: a net whose slopes are all 1 vanishes with small"
            " weights",
        ),
        Claim(
            "theory",
            tuple(
                Expect(arm.label, "=", 0.0, 0.05, "gap")
                for arm in ARMS
                if arm.label != "sigmoid, gain 4"
            ),
            says="the factor of a layer is gain·√E f'²",
        ),
    ),
)
