"""What batch normalisation cures at the start, and what it adds at every layer."""

from undertow.core.plan import Choices, Plan
from undertow.studies.measures import start
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study


def _arm(act: str, norm: str, init: str, depth: int) -> Arm:
    said = "batch norm" if norm == "batch" else "no norm"
    values = (("act", act), ("norm", norm), ("init", init), ("depth", depth))
    return Arm(f"{act}, {said}, {init}, depth {depth}", values)


STUDY = Study(
    id="batchnorm",
    question="What does batch normalisation cure at the start, and what does it add?",
    vary=(
        _arm("relu", "none", "normal:0.01", 20),
        _arm("relu", "batch", "normal:0.01", 20),
        _arm("relu", "batch", "normal:1", 20),
        _arm("relu", "batch", "he-normal", 20),
        _arm("relu", "batch", "he-normal", 50),
        _arm("tanh", "batch", "he-normal", 50),
        _arm("identity", "batch", "he-normal", 50),
        _arm("sigmoid", "none", "xavier-uniform", 20),
        _arm("sigmoid", "batch", "xavier-uniform", 20),
    ),
    hold=Plan("mlp", Choices(), (("width", 256),)),
    measure=start.gradient,
    statistics=(
        Statistic(
            "decades", "of the gradient lost towards the input; below 0 it grows", -start.CAP
        ),
        Statistic("factor", "gradient kept at each layer on the way back", 1e46),
        Statistic("grown", "decades the signal grows from first to last layer", start.CAP),
    ),
    says="The scale of the init no longer matters, but with relu and no skips the gradient grows"
    " by √(π/(π−1)) = 1.211 a layer towards the input.",
    margins="3 decades are the limit of a finding; .03 of a factor is 3 % a layer; .5 decades"
    " between two inits are a factor of 3 over 20 layers.",
    source="Yang et al., ICLR 2019: √(π/(π−1)) for relu",
    claims=(
        Claim(
            "G18",
            (
                Expect(
                    "relu, batch norm, normal:0.01, depth 20",
                    "<",
                    "relu, no norm, normal:0.01, depth 20",
                    3.0,
                ),
                Expect(
                    "relu, batch norm, normal:0.01, depth 20",
                    "=",
                    "relu, batch norm, normal:1, depth 20",
                    0.5,
                ),
                Expect(
                    "sigmoid, batch norm, xavier-uniform, depth 20",
                    "<",
                    "sigmoid, no norm, xavier-uniform, depth 20",
                    3.0,
                ),
                Expect("relu, batch norm, he-normal, depth 50", ">", -3.0, 0.0),
            ),
            "depends",
            "it makes the scale of the init irrelevant; in deep plain relu nets it makes the"
            " gradient itself grow, by √(π/(π−1)) a layer, so these need skips too",
        ),
        Claim(
            "theory",
            (
                Expect("relu, batch norm, he-normal, depth 20", "=", 1.211, 0.03, "factor"),
                Expect("relu, batch norm, he-normal, depth 50", "=", 1.211, 0.03, "factor"),
                Expect("relu, batch norm, normal:0.01, depth 20", "=", 1.211, 0.03, "factor"),
                Expect("identity, batch norm, he-normal, depth 50", "=", 1.0, 0.03, "factor"),
            ),
            says="with relu and without skips the gradient grows by √(π/(π−1)) a layer, whatever"
            " the init",
        ),
    ),
)
