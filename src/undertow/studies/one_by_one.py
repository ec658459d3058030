"""Whether the activation after a 1x1 reduction matters."""

from undertow.core.plan import Plan, TrainChoices
from undertow.studies.measures import convs, training
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study

STUDY = Study(
    id="one-by-one",
    question="Does the activation after a 1x1 reduction help information flow across scales?",
    vary=(Arm("with ReLU", ()), Arm("without", (("rectified", False),))),
    hold=Plan("conv", train=TrainChoices(lr=0.02)),
    data="digits",
    steps=264,
    measure=convs.inception,
    statistics=(
        Statistic("accuracy", "share of held-back digits right; chance where not finite"),
        Statistic("loss", "training loss of the last tenth over guessing, at most 2", training.CAP),
    ),
    says="No difference: the 1x1 mixes channels, and its activation is one more of many.",
    margins=".03 of accuracy is 11 of 360 digits.",
    source="Szegedy et al. 2015, sec. 4",
    claims=(
        Claim(
            "I6",
            (Expect("with ReLU", ">", "without", 0.03),),
            "refuted",
            "it mixes channels and saves work (study parts)",
            says="1x1 convolutions with their activation help information flow across scales",
        ),
    ),
)
