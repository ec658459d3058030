"""Whether early layers update slowly when their gradient vanishes."""

from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.studies.measures import start
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study

STUDY = Study(
    id="optimizer-mask",
    question="Do early layers update slowly when their gradient vanishes?",
    vary=(
        Arm("sgd, sigmoid depth 20", (("optimizer", "sgd"), ("lr", 0.02), ("depth", 20))),
        Arm("adam, sigmoid depth 10", (("optimizer", "adam"), ("lr", 0.001), ("depth", 10))),
        Arm("adam, sigmoid depth 20", (("optimizer", "adam"), ("lr", 0.001), ("depth", 20))),
        Arm("sgd, sigmoid depth 10", (("optimizer", "sgd"), ("lr", 0.02), ("depth", 10))),
    ),
    hold=Plan(
        "mlp",
        Choices(act="sigmoid", norm="none", init="xavier-uniform"),
        (("width", 256),),
        train=TrainChoices(),
    ),
    measure=start.update,
    statistics=(
        Statistic(
            "lag", "decades by which the first layer's update is behind the last's", start.CAP
        ),
        Statistic("decades", "of the gradient lost towards the input", start.CAP),
        Statistic("first", "log10 of the first layer's relative update", -start.CAP),
    ),
    says="Under SGD the updates vanish as the gradients do; Adam divides by the gradient's own size"
    " and hides it, until the gradient falls to its ε of 1e-8.",
    margins="3 decades are the limit of a finding.",
    source="Kingma & Ba 2015, algorithm 1",
    claims=(
        Claim(
            "G2",
            (
                Expect("sgd, sigmoid depth 10", ">", 3.0, 0.0),
                Expect("sgd, sigmoid depth 20", ">", 3.0, 0.0),
                Expect("adam, sigmoid depth 10", ">", 3.0, 0.0),
            ),
            "depends",
            "under SGD; Adam rescales every weight's step, and slows only where the gradient is as"
            " small as its ε",
        ),
    ),
)
