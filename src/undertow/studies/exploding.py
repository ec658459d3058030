"""What makes signal and gradient grow from layer to layer."""

from undertow.core.plan import Choices, Plan
from undertow.studies.measures import start
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study

GAINS = (1.0, 1.25, 1.5, 2.0)


def _relu(act: str, gain: float, depth: int) -> Arm:
    label = f"{act}, he x {gain:g}, depth {depth}"
    return Arm(label, (("act", act), ("init", "he-normal"), ("gain", gain), ("depth", depth)))


STUDY = Study(
    id="exploding",
    question="What makes signal and gradient grow from layer to layer?",
    vary=(
        *(_relu("relu", gain, 30) for gain in GAINS),
        _relu("relu", 1.5, 10),
        _relu("leaky-relu", 1.0, 30),
        _relu("leaky-relu", 1.5, 30),
        _relu("tanh", 1.0, 30),
        Arm(
            "identity, orthogonal, depth 30",
            (("act", "identity"), ("init", "orthogonal"), ("depth", 30)),
        ),
    ),
    hold=Plan("mlp", Choices(norm="none"), (("width", 256),)),
    measure=start.gradient,
    statistics=(
        Statistic("grown", "decades the signal grows from first to last layer", start.CAP),
        Statistic(
            "decades", "of the gradient lost towards the input; below 0 it grows", -start.CAP
        ),
        Statistic("factor", "gradient kept at each layer on the way back", 1e46),
    ),
    says="The gain of the weights decides, multiplied over depth: unbounded activations with the"
    " right gain are quiet, and a bounded one grows with the wrong gain.",
    margins="1 decade of growth is ten times; .05 of a factor is 5 % a layer.",
    source="He et al. 2015, sec. 2.2: the factor is the gain over He",
    claims=(
        Claim(
            "F20",
            (
                Expect("relu, he x 1.5, depth 30", ">", 1.0, 0.0),
                Expect("relu, he x 1, depth 30", ">", 1.0, 0.0),
                Expect("identity, orthogonal, depth 30", ">", 1.0, 0.0),
            ),
            "depends",
            "being unbounded is not enough: the factor a layer is the gain of the weights",
        ),
        Claim(
            "F24",
            (
                Expect("leaky-relu, he x 1.5, depth 30", ">", 1.0, 0.0),
                Expect("leaky-relu, he x 1, depth 30", ">", 1.0, 0.0),
            ),
            "depends",
            "as for relu: the gain decides",
        ),
        Claim(
            "G10",
            (
                Expect("relu, he x 1.5, depth 30", "<", -3.0, 0.0, "decades"),
                Expect("relu, he x 2, depth 30", "<", -3.0, 0.0, "decades"),
            ),
            instead="also the forward pass grows, and may overflow first",
        ),
        Claim(
            "G14",
            (
                Expect("relu, he x 1.5, depth 30", ">", "relu, he x 1.5, depth 10", 1.0),
                Expect("relu, he x 1.5, depth 30", "=", 1.5, 0.075, "factor"),
                Expect("relu, he x 1.5, depth 10", "=", 1.5, 0.075, "factor"),
            ),
            instead="the growth is the gain to the power of the depth",
        ),
        Claim(
            "theory",
            tuple(Expect(f"relu, he x {g:g}, depth 30", "=", g, 0.05 * g, "factor") for g in GAINS),
            says="the factor a layer is the gain over He's",
        ),
        Claim(
            "bounded",
            (Expect("tanh, he x 1, depth 30", "<", 0.0, 0.3, "decades"),),
            says="gradients also grow under a bounded activation",
            instead="tanh under He grows too, by a few per cent a layer: only its outputs are"
            " bounded",
        ),
    ),
)
