"""How fast the gradient shrinks with depth under each activation."""

from undertow.core.plan import Choices, Plan
from undertow.studies.measures import start
from undertow.studies.study import Claim, Expect, Statistic, Study, grid

STUDY = Study(
    id="vanishing",
    question="How fast does the gradient shrink with depth under each activation?",
    vary=grid(act=("sigmoid", "tanh", "relu", "identity"), depth=(5, 20, 50)),
    hold=Plan("mlp", Choices(norm="none", init="xavier-uniform"), (("width", 256),)),
    measure=start.gradient,
    statistics=(
        Statistic("decades", "of the gradient lost from last to first hidden layer", start.CAP),
        Statistic("factor", "gradient kept at each layer on the way back", 0.0),
        Statistic("fit", "R² of a straight line through log10 of the gradient"),
    ),
    says="Sigmoid keeps under a quarter of the gradient a layer, relu 1/√2, tanh nearly all.",
    margins="one decade is ten times less gradient; .05 of a factor is 5 % a layer; R² > .9 is a"
    " line to the eye. The limit of a finding is 3 decades.",
    source="Glorot & Bengio 2010, sec. 4.2; mean field: Schoenholz et al. 2017",
    claims=(
        Claim(
            "F4",
            (
                Expect("sigmoid, depth 5", "<", 3.0, 0.0),
                Expect("sigmoid, depth 20", "<", 3.0, 0.0),
            ),
            "depends",
            "smoothness does not decide: the slope is at most 1/4, so each layer costs a factor;"
            " a shallow net bears it, a deep one does not",
        ),
        Claim(
            "F7",
            (
                Expect("sigmoid, depth 20", ">", "sigmoid, depth 5", 3.0),
                Expect("sigmoid, depth 20", "=", 0.236, 0.01, "factor"),  # mean field, theory.py
            ),
            instead="the cause is depth times a slope of at most 1/4, also without saturation;"
            " mean field gives .236 a layer",
        ),
        Claim(
            "G1",
            (
                Expect("sigmoid, depth 20", ">", 3.0, 0.0),
                Expect("sigmoid, depth 50", ">", 3.0, 0.0),
            ),
            instead="said by the ratio over depth: loss scale and batch move the size itself",
        ),
        Claim(
            "G3",
            (
                Expect("sigmoid, depth 20", ">", "sigmoid, depth 5", 1.0),
                Expect("identity, depth 50", ">", "identity, depth 5", 1.0),
            ),
            "depends",
            "depth multiplies whatever factor activation and init give: a factor of 1 loses"
            " nothing at any depth",
        ),
        Claim(
            "G5",
            (
                Expect("sigmoid, depth 20", ">", 0.9, 0.0, "fit"),
                Expect("relu, depth 20", ">", 0.9, 0.0, "fit"),
                Expect("relu, depth 20", "=", 0.707, 0.035, "factor"),
                Expect("relu, depth 50", "=", 0.707, 0.035, "factor"),
            ),
            instead="a product of equal factors is a straight line in the logarithm",
        ),
    ),
)
