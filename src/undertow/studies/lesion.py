"""What happens when one block of a trained net is taken out."""

from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.studies.measures import blocks
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study


def _arm(label: str, shortcut: str) -> Arm:
    own = (("blocks", 8), ("normed", True), ("order", "pre"))
    return Arm(label, (*own, ("shortcut", shortcut)))


STUDY = Study(
    id="lesion",
    question="What happens when one block of a trained net is taken out?",
    vary=(_arm("residual", "identity"), _arm("plain", "none")),
    hold=Plan("mlp", Choices(), (("width", 48),), train=TrainChoices(lr=0.02)),
    data="digits",
    steps=132,
    measure=blocks.lesion,
    statistics=(
        Statistic("loss_of_one", "mean accuracy lost when one of 8 blocks is taken out"),
        Statistic("intact", "share of held-back digits right with all blocks"),
        Statistic("moved", "largest |y − x| of the first block without its branch"),
    ),
    says="The residual net loses little: what bypasses the block is still there. The plain net"
    " collapses.",
    margins=".2 of accuracy; the identity is exact.",
    source="Veit et al. 2016, sec. 4.1",
    claims=(
        Claim(
            "S4",
            (
                Expect("plain", ">", "residual", 0.2),
                Expect("residual", "=", 0.0, 0.2),
                Expect("residual", "=", 0.0, 1e-9, "moved"),
            ),
            instead="without the branch a block gives back its input exactly",
        ),
    ),
)
