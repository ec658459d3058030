"""Whether skip connections keep the gradient, and what they need beside them."""

from undertow.core.plan import Choices, Plan
from undertow.studies.measures import blocks, start
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study

STUDY = Study(
    id="skip-gradient",
    question="Do skip connections keep the gradient, and what do they need beside them?",
    vary=(
        Arm("plain sigmoid", (("shortcut", "none"), ("order", "pre"), ("fn", "sigmoid"))),
        Arm(
            "skip, sigmoid inside", (("shortcut", "identity"), ("order", "pre"), ("fn", "sigmoid"))
        ),
        Arm(
            "skip, sigmoid after the sum",
            (("shortcut", "identity"), ("order", "post"), ("fn", "sigmoid")),
        ),
        Arm("plain relu", (("shortcut", "none"), ("order", "pre"), ("fn", "relu"))),
        Arm("skip, relu", (("shortcut", "identity"), ("order", "pre"), ("fn", "relu"))),
        Arm(
            "skip, relu, batch norm",
            (("shortcut", "identity"), ("order", "pre"), ("fn", "relu"), ("normed", True)),
        ),
        Arm(
            "skip, relu, branches start at 0",
            (("shortcut", "identity"), ("order", "pre"), ("fn", "relu"), ("zeroed", True)),
        ),
    ),
    hold=Plan("mlp", Choices(), (("width", 256),)),
    measure=blocks.gradient,
    statistics=(
        Statistic(
            "decades", "of the gradient lost from last to first block; below 0 it grows", -start.CAP
        ),
        Statistic("grown", "decades the signal grows from first to last block", start.CAP),
    ),
    says="In pre-activation form the identity carries the gradient of any activation; an"
    " activation after the sum takes that away; without a norm or a small branch it explodes.",
    margins="3 decades are the limit of a finding.",
    source="He et al. 2016b, eq. 5; 25 blocks of two layers, He init (Xavier for sigmoid)",
    claims=(
        Claim(
            "S6",
            (
                Expect("skip, sigmoid inside", "<", "plain sigmoid", 3.0),
                Expect("skip, sigmoid after the sum", "<", 3.0, 0.0),
                Expect("skip, relu", ">", -3.0, 0.0),
                Expect("skip, relu, batch norm", ">", -3.0, 0.0),
            ),
            "depends",
            "the identity term cannot be killed by the branch, but a sigmoid behind the sum shrinks"
            " it as well, and without a norm or small branches it explodes",
        ),
        Claim(
            "cure",
            (
                Expect("skip, relu, batch norm", "=", 0.0, 3.0),
                Expect("skip, relu, branches start at 0", "=", 0.0, 3.0),
            ),
            says="a skip with a norm, or with branches that start at 0, neither vanishes nor"
            " explodes over 25 blocks",
        ),
    ),
)
