"""What too small and too large a rate look like."""

from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.studies.measures import start, training
from undertow.studies.study import Claim, Expect, Statistic, Study, grid

STUDY = Study(
    id="learning-rate",
    question="How much does the learning rate decide, in a net whose gradients are healthy?",
    vary=grid(lr=(0.0001, 0.001, 0.01, 0.1, 1.0)),
    hold=Plan(
        "mlp",
        Choices(act="relu", norm="none", init="he-normal"),
        (("depth", 5), ("width", 64)),
        train=TrainChoices(lr=0.02),
    ),
    data="digits",
    steps=110,
    measure=training.with_start,
    statistics=(
        Statistic("loss", "training loss of the last tenth over guessing, at most 2", training.CAP),
        Statistic("accuracy", "share of held-back digits right; chance where not finite"),
        Statistic("decades", "of the gradient lost towards the input at the start", start.CAP),
    ),
    says="Two decades below the best rate the net hardly learns, and a decade above it fails, with"
    " the same healthy gradients at the start.",
    margins="half the loss of guessing; 1 decade is ten times.",
    claims=(
        Claim(
            "learning-rate",
            (
                Expect("lr 0.0001", ">", "lr 0.01", 0.5),
                Expect("lr 1.0", ">", "lr 0.01", 0.5),
                Expect("lr 0.0001", "=", 0.0, 1.0, "decades"),
            ),
            says="a rate too small or too large is as bad as a vanishing gradient, and the gradient"
            " at the start does not show it",
        ),
    ),
)
