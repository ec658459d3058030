"""Why a deep VGG did not train from its own initialisation."""

from undertow.core.plan import Choices, Plan
from undertow.studies.measures import convs, start
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study


def _arm(init: str, norm: str = "none") -> Arm:
    values = (("init", init), ("norm", norm), ("pools", False), ("size", 16))
    return Arm(f"{init}, batch norm" if norm == "batch" else init, values)


STUDY = Study(
    id="vgg-init",
    question="Why did a deep VGG not train from its own initialisation?",
    vary=(
        _arm("normal:0.01"),
        _arm("normal:0.1"),
        _arm("xavier-uniform"),
        _arm("he-normal"),
        _arm("normal:0.01", "batch"),
    ),
    hold=Plan("vgg19", Choices()),
    data="N(0, 1) images of 16 px, pools left out",
    measure=convs.features,
    statistics=(
        Statistic("grown", "log10 of the deviation across images after convolution 16", -start.CAP),
        Statistic("layer", "kept at each convolution", 0.0),
    ),
    says="With a deviation of .01 the signal is gone after 16 convolutions, with .1 (the variance"
    " of .01 that the paper prints) it explodes; He keeps it.",
    margins="3 decades are the limit of a finding; 1 is ten times.",
    source="Simonyan & Zisserman 2015, sec. 3.1; He et al. 2015, sec. 2.2",
    claims=(
        Claim(
            "V10",
            (
                Expect("normal:0.01", "<", -3.0, 0.0),
                Expect("normal:0.1", ">", 3.0, 0.0),
                Expect("he-normal", "=", 0.0, 1.0),
                Expect("xavier-uniform", ">", "normal:0.01", 3.0),
                Expect("normal:0.01, batch norm", ">", "normal:0.01", 3.0),
            ),
            says="deep VGGs lose or blow up the signal from their own init; Xavier, He and batch"
            " norm cure it",
        ),
    ),
)
