"""What max pooling keeps."""

from undertow.core.plan import Plan, TrainChoices
from undertow.studies.measures import tasks
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study


def _arm(pool: str, told: str) -> Arm:
    by = "one bright place" if told == "peak" else "the mean"
    return Arm(f"{pool} pool, told by {by}", (("pool", pool), ("told", told)))


CONDITIONS = (
    Expect(
        "max pool, told by one bright place", ">", "average pool, told by one bright place", 0.1
    ),
    Expect("max pool, told by the mean", ">", "average pool, told by the mean", 0.1),
)
INSTEAD = "it keeps the largest value and gives the gradient to that place alone; where the mean"
STUDY = Study(
    id="pooling",
    question="Does max pooling keep the most important features?",
    vary=tuple(_arm(p, t) for t in ("peak", "mean") for p in ("max", "average")),
    hold=Plan("mlp", train=TrainChoices(lr=0.1)),
    data="512 maps of N(0, 1), 8x8: one place or all places raised in one class",
    steps=200,
    measure=tasks.pooling,
    statistics=(
        Statistic("accuracy", "share of 512 fresh maps right, of a line through the pooled value"),
    ),
    says="Where one place tells the class, max pooling is right; where the mean does, average is.",
    margins=".1 of accuracy.",
    source="Boureau et al. 2010",
    claims=(
        Claim("A8", CONDITIONS, "depends", f"{INSTEAD} matters it throws it away"),
        Claim("V5", CONDITIONS, "depends", f"{INSTEAD} matters it throws it away"),
    ),
)
