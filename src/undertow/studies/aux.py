"""What an auxiliary head does for a deep net's gradient and for its training."""

from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.studies.measures import changed, start, training
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study

SIGMOID = (("act", "sigmoid"), ("init", "xavier-uniform"))
STUDY = Study(
    id="aux",
    question="Does an auxiliary head half-way cure a vanishing gradient?",
    vary=(
        Arm("sigmoid", SIGMOID),
        Arm("sigmoid, aux head", (*SIGMOID, ("aux", True))),
        Arm("relu, torch", (("act", "relu"), ("init", "torch"))),
        Arm("relu, torch, aux head", (("act", "relu"), ("init", "torch"), ("aux", True))),
    ),
    hold=Plan(
        "mlp", Choices(norm="none"), (("depth", 20), ("width", 48)), train=TrainChoices(lr=0.02)
    ),
    data="digits",
    steps=110,
    measure=changed.with_head,
    statistics=(
        Statistic("decades", "of the gradient lost from layer 20 to layer 1", start.CAP),
        Statistic("lower", "of it lost in the half below the head", start.CAP),
        Statistic("accuracy", "share of held-back digits right; chance where not finite"),
        Statistic("loss", "training loss of the last tenth over guessing, at most 2", training.CAP),
    ),
    says="The head's gradient starts half-way, so half the decades are spared; the ten layers below"
    " it still vanish, and neither net learns much.",
    margins="3 decades are the limit of a finding; .2 of accuracy.",
    source="Szegedy et al. 2015, sec. 5; Szegedy et al. 2016, sec. 4, finds no faster start",
    claims=(
        Claim(
            "I8",
            (
                Expect("sigmoid, aux head", "<", "sigmoid", 3.0),
                Expect("sigmoid, aux head", "<", 3.0, 0.0, "lower"),
                Expect("sigmoid, aux head", ">", "sigmoid", 0.2, "accuracy"),
            ),
            "depends",
            "the gradient below the head is larger, but it vanishes there at the same rate, and"
            " whether the net then trains is another question",
        ),
        Claim(
            "I9",
            (
                Expect("sigmoid, aux head", "<", "sigmoid", 3.0),
                Expect("relu, torch, aux head", "<", "relu, torch", 1.0),
            ),
            instead="weight .3, and dropped at inference",
        ),
    ),
)
