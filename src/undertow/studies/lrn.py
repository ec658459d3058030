"""Whether local response normalisation improves generalisation."""

from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.studies.measures import training
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study

STUDY = Study(
    id="lrn",
    question="Does local response normalisation improve generalisation?",
    vary=tuple(
        Arm(said, (("norm", norm), ("few", True)))
        for said, norm in (("none", "none"), ("lrn", "lrn"), ("batch norm", "batch"))
    ),
    hold=Plan(
        "conv",
        Choices(act="relu", init="he-normal"),
        (("depth", 3), ("width", 16), ("pool_at", (1,))),
        train=TrainChoices(lr=0.02),
    ),
    data="digits",
    steps=110,
    measure=training.best_rate,
    statistics=(
        Statistic("accuracy", "share of held-back digits right; chance where not finite"),
        Statistic("rate", "the best of .03, .1 and .3", log=True),
        Statistic("loss", "training loss of the last tenth over guessing, at most 2", training.CAP),
    ),
    says="No difference between with and without; batch norm, which replaced it, does more.",
    margins=".02 of accuracy is 7 of 360 digits; the best of three rates for each arm.",
    source="Krizhevsky et al. 2012, sec. 3.3",
    claims=(
        Claim(
            "A10",
            (Expect("lrn", ">", "none", 0.02),),
            "refuted",
            "not in a small net of three layers; VGG's authors left it out as well",
        ),
    ),
)
