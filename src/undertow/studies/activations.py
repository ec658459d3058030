"""What is true of each activation, by its formula."""

from undertow.core.plan import Plan
from undertow.studies.measures import facts
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study

SECOND = {  # Gauss-Hermite figures of the book, to be met by our own quadrature
    "sigmoid": (0.293, 0.0448), "tanh": (0.394, 0.464), "relu": (0.5, 0.5), "elu": (0.645, 0.668),
    "selu": (1.0, 1.072), "gelu": (0.425, 0.456), "silu": (0.356, 0.380), "mish": (0.452, 0.479),
    "softplus": (0.921, 0.293), "hard-swish": (0.332, 0.359),
}  # fmt: skip
TABLE = tuple(
    e
    for name, (second, slope) in SECOND.items()
    for e in (
        Expect(f"E f² of {name}", "=", second, 0.001),
        Expect(f"E f'² of {name}", "=", slope, 0.001),
    )
)
STUDY = Study(
    id="activations",
    question="What is true of each activation, by its formula?",
    vary=tuple(Arm(name, ()) for name in facts.ACTIVATIONS),
    hold=Plan("mlp"),
    data="none",
    measure=facts.fact,
    statistics=(Statistic("value", "as computed"),),
    exact=True,
    says="The sigmoid is 1/(1 + e⁻ˣ) with a slope of at most 1/4, tanh the same curve stretched to"
    " (-1, 1) with a slope of at most 1.",
    margins="identities to 1e-7, figures of three digits to .001",
    claims=(
        Claim(
            "F2",
            (Expect("1/(1 + e²)", "=", "sigmoid at 2", 1e-6),),
            "refuted",
            "1/(1 + e⁻ˣ); with the other sign the curve falls",
        ),
        Claim(
            "F3",
            (
                Expect("1 less the largest sigmoid on [-30, 30]", ">", 0.0, 0.0),
                Expect("smallest sigmoid on [-30, 30]", ">", 0.0, 0.0),
            ),
            instead="the ends are not reached; in float32 it is rounded to 1 all the same",
        ),
        Claim(
            "F6",
            (
                Expect("sigmoid's slope at 10", "<", 0.001, 0.0),
                Expect("sigmoid's slope at -10", "<", 0.001, 0.0),
                Expect("sigmoid's slope at .01", "<", 0.001, 0.0),
            ),
            "depends",
            "for large positive and large negative inputs; for small ones it is at its largest",
        ),
        Claim(
            "F9",
            (
                Expect("largest |tanh x - (2 sigmoid 2x - 1)|", "=", 0.0, 1e-7),
                Expect("tanh's slope at 0", "=", 1.0, 1e-9),
            ),
            instead="tanh x = 2σ(2x) − 1; its slope at 0 is four times the sigmoid's, which is the"
            " difference that decides",
        ),
        Claim(
            "F25",
            TABLE,
            says="elu, selu, gelu, silu, mish and softplus have their own moments and gains",
        ),
        Claim(
            "formula",
            (
                Expect("largest |leaky - max(ax, x)|, a .01", "=", 0.0, 1e-9),
                Expect("largest |leaky - max(ax, x)|, a 2", "=", 0.0, 1e-9),
            ),
            "depends",
            "only for slopes of at most 1",
            says="leaky ReLU is max(ax, x) for every slope a",
        ),
    ),
)
