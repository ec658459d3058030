"""Which initialisation carries the gradient through 20 layers, for which activation."""

from undertow.core.plan import Choices, Plan
from undertow.studies.measures import start
from undertow.studies.study import Claim, Expect, Statistic, Study, grid

STUDY = Study(
    id="init",
    question="Which initialisation carries the gradient through 20 layers, for which activation?",
    vary=grid(
        act=("relu", "tanh", "sigmoid"),
        init=("he-normal", "xavier-uniform", "torch", "normal:0.01"),
    ),
    hold=Plan("mlp", Choices(norm="none"), (("depth", 20), ("width", 256))),
    measure=start.gradient,
    statistics=(
        Statistic("decades", "of the gradient lost from last to first hidden layer", start.CAP),
        Statistic("factor", "gradient kept at each layer on the way back", 0.0),
        Statistic("signal", "output kept at each layer on the way forward", 0.0),
    ),
    says="Relu keeps it under He, tanh under Xavier, sigmoid under none; PyTorch's default loses"
    " more than half a layer.",
    margins="3 decades are the limit of a finding; .03 of a factor is 3 % a layer.",
    source="He et al. 2015, sec. 2.2; Glorot & Bengio 2010, eq. 16",
    claims=(
        Claim(
            "F12",
            (
                Expect("tanh, torch", ">", 3.0, 0.0),
                Expect("tanh, normal:0.01", ">", 3.0, 0.0),
                Expect("tanh, xavier-uniform", ">", 3.0, 0.0),
            ),
            "depends",
            "under Xavier tanh loses less with every further layer; under a smaller init it"
            " vanishes like any other",
        ),
        Claim(
            "F10",
            (
                Expect("tanh, xavier-uniform", "<", 3.0, 0.0),
                Expect("tanh, normal:0.01", "<", 3.0, 0.0),
            ),
            "depends",
            "its slope of 1 at 0 suits deep nets, where the init keeps it there; smoothness does"
            " not decide",
        ),
        Claim(
            "F17",
            (
                Expect("relu, he-normal", "<", 3.0, 0.0),
                Expect("relu, torch", "<", 3.0, 0.0),
                Expect("relu, normal:0.01", "<", 3.0, 0.0),
            ),
            "depends",
            "half of its slopes are 0, so E f'² is 1/2: the weights must make up for it by a"
            " variance of 2/fan-in (He); with PyTorch's default the gradient vanishes",
        ),
        Claim(
            "G7",
            (
                Expect("relu, normal:0.01", ">", "relu, he-normal", 3.0),
                Expect("tanh, normal:0.01", ">", "tanh, xavier-uniform", 3.0),
                Expect("sigmoid, normal:0.01", ">", "sigmoid, xavier-uniform", 3.0),
                Expect("relu, torch", ">", "relu, he-normal", 3.0),
            ),
            instead="N(0, .01²) at width 256, and also PyTorch's default, which is nobody's idea"
            " of a small init",
        ),
        Claim(
            "G9",
            (
                Expect("relu, he-normal", "<", "relu, normal:0.01", 3.0),
                Expect("tanh, xavier-uniform", "<", "tanh, normal:0.01", 3.0),
                Expect("sigmoid, xavier-uniform", "<", 3.0, 0.0),
                Expect("sigmoid, he-normal", "<", 3.0, 0.0),
            ),
            "depends",
            "where it matches the activation; for the sigmoid no init of these is enough",
        ),
        Claim(
            "theory",
            (
                Expect("relu, he-normal", "=", 1.0, 0.03, "factor"),
                Expect("relu, xavier-uniform", "=", 0.7071, 0.03, "factor"),
                Expect("relu, torch", "=", 0.4082, 0.03, "factor"),
                Expect("sigmoid, he-normal", "=", 0.318, 0.03, "factor"),
            ),
            says="the factor a layer is √(Var(W)·fan-out·E f'²)",
        ),
    ),
)
