"""What an activation behind the sum costs."""

from undertow.core.plan import Choices, Plan
from undertow.studies.measures import blocks, start
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study


def _arm(order: str, fn: str) -> Arm:
    where = "behind the sum" if order == "post" else "inside the branch"
    values = (("order", order), ("fn", fn), ("zeroed", True), ("blocks", 55))
    return Arm(f"{fn} {where}", values)


STUDY = Study(
    id="preact",
    question="A layer's input is added to its output: before or behind the activation?",
    vary=tuple(_arm(o, f) for f in ("relu", "tanh", "sigmoid") for o in ("post", "pre")),
    hold=Plan("mlp", Choices(), (("width", 64),)),
    measure=blocks.gradient,
    statistics=(
        Statistic(
            "decades", "of the gradient lost from block 55 to block 1; below 0 it grows", -start.CAP
        ),
        Statistic("grown", "decades the signal grows from first to last block", start.CAP),
    ),
    says="With branches that start at 0 only the shortcuts are left: with the activation inside the"
    " branch the gradient passes unchanged, behind the sum only under relu.",
    margins="3 decades are the limit of a finding; 55 blocks of two layers whose last starts at 0.",
    source="He et al. 2016b, fig. 1",
    claims=(
        Claim(
            "R2",
            (
                Expect("relu inside the branch", "=", 0.0, 3.0),
                Expect("relu behind the sum", "=", 0.0, 3.0),
                Expect("sigmoid inside the branch", "=", 0.0, 3.0),
                Expect("sigmoid behind the sum", "=", 0.0, 3.0),
            ),
            "depends",
            "of a block, and in the first form before the last activation: so it is no pure"
            " identity from end to end, which an activation with small slopes shows",
            says="a block's input is added to its output, so its gradient passes unchanged",
        ),
    ),
)
