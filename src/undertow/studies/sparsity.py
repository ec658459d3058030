"""How many outputs are exactly 0."""

from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.studies.measures import changed
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study

STUDY = Study(
    id="sparsity",
    question="How many outputs are exactly 0, at the start and after training?",
    vary=(
        Arm("relu", (("act", "relu"),)),
        Arm("leaky-relu", (("act", "leaky-relu"),)),
        Arm("sigmoid", (("act", "sigmoid"),)),
    ),
    hold=Plan(
        "mlp",
        Choices(norm="none", init="he-normal"),
        (("depth", 3), ("width", 256)),
        train=TrainChoices(lr=0.02),
    ),
    data="digits",
    steps=132,
    measure=changed.units,
    statistics=(
        Statistic("zeros", "share of hidden outputs that are exactly 0 after training", 1.0),
        Statistic("zeros_at_start", "the same before", 1.0),
        Statistic("accuracy", "share of held-back digits right"),
    ),
    says="Half of relu's at the start, by symmetry, and about half after; none of the others'.",
    margins=".3 of the outputs; .05 about the half that symmetry gives.",
    source="Glorot et al. 2011, sec. 3.1",
    claims=(
        Claim(
            "F18",
            (
                Expect("relu", ">", "leaky-relu", 0.3),
                Expect("relu", ">", "sigmoid", 0.3),
                Expect("relu", "=", 0.5, 0.05, "zeros_at_start"),
            ),
            instead="it does not make dense hardware faster",
        ),
    ),
)
