"""When weights trained on other classes help."""

from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.studies.measures import tasks
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study


def _arm(way: str, k: int) -> Arm:
    return Arm(f"{way}, {k} a class", (("way", way), ("k", k)))


STUDY = Study(
    id="transfer",
    question="When do weights trained on other classes help?",
    vary=tuple(_arm(w, k) for k in (2, 10, 80) for w in ("scratch", "tuned", "frozen")),
    hold=Plan(
        "conv",
        Choices(act="relu", norm="none", init="he-normal"),
        (("depth", 3), ("width", 16), ("pool_at", (2,))),
        classes=5,
        train=TrainChoices(lr=0.02, batch=10),
    ),
    data="digits",
    steps=150,
    measure=tasks.transfer,
    statistics=(
        Statistic("accuracy", "share of the held-back digits 5-9 right; chance where not finite"),
    ),
    says="With two images a class they help; with eighty they make no difference.",
    margins=".05 of accuracy is 9 of 180 digits.",
    source="Kornblith et al. 2019: the gain shrinks with data and likeness",
    claims=(
        Claim(
            "V9",
            (
                Expect("tuned, 2 a class", ">", "scratch, 2 a class", 0.05),
                Expect("tuned, 80 a class", ">", "scratch, 80 a class", 0.05),
            ),
            "depends",
            "where data are few; the gain shrinks as they grow",
            says="weights trained on other classes help",
        ),
    ),
)
