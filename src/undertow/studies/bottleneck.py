"""What a bottleneck block is, and what it saves."""

from undertow.core.plan import Plan
from undertow.studies.measures import facts
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study

ARMS = (
    "bottleneck: 1x1 convolutions",
    "bottleneck: 3x3 convolutions",
    "bottleneck 256-64-64-256: weights",
    "two 3x3 at 256: weights",
    "ResNet-34: multiply-adds",
    "ResNet-50: multiply-adds",
    "ResNet-50 as printed: multiply-adds",
)
STUDY = Study(
    id="bottleneck",
    question="What is a bottleneck block, and what does it save?",
    vary=tuple(Arm(name, ()) for name in ARMS),
    hold=Plan("mlp"),
    data="none",
    measure=facts.fact,
    statistics=(Statistic("value", "counted on ResNet-50's block layer1.1, or the formula"),),
    exact=True,
    says="1x1 reduces, 3x3, 1x1 restores: a sixteenth of the weights of two 3x3 at that width.",
    margins="exact",
    source="He et al. 2016, fig. 5 and table 1",
    claims=(
        Claim(
            "R5",
            (Expect("bottleneck: 1x1 convolutions", "=", 1, 0.0),),
            "refuted",
            "1x1 reduces, 3x3, and a second 1x1 restores the width: without it nothing could be"
            " added",
        ),
        Claim(
            "R6",
            (
                Expect("bottleneck 256-64-64-256: weights", "<", "two 3x3 at 256: weights", 1e6),
                Expect("ResNet-50: multiply-adds", "<", 2 * 3_663_761_408, 0.0),
            ),
            instead="ResNet-50 has 16 more layers than ResNet-34 for little more work; the stride"
            " on the 3x3 or on the first 1x1 gives its two counts; performance needs ImageNet"
            " and is not judged here",
            says="the bottleneck cuts complexity",
        ),
    ),
)
