"""Whether AlexNet's printed initialisation keeps the signal."""

from undertow.core.plan import Choices, Plan
from undertow.studies.measures import convs, start
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study


def _arm(label: str, init: str, bias: float | None = None) -> Arm:
    return Arm(label, (("init", init), ("size", 127), ("bias", bias)))


STUDY = Study(
    id="alexnet-init",
    question="Does AlexNet's printed initialisation keep the signal?",
    vary=(
        _arm("normal:0.01, biases 1", "normal:0.01", 1.0),
        _arm("normal:0.01, biases 0", "normal:0.01"),
        _arm("torch", "torch"),
        _arm("he-normal", "he-normal"),
    ),
    hold=Plan("alexnet", Choices()),
    data="N(0, 1) images of 127 px",
    measure=convs.features,
    statistics=(
        Statistic("grown", "log10 of the deviation across images after convolution 5", -start.CAP),
        Statistic("layer", "kept at each convolution", 0.0),
    ),
    says="N(0, .01²) loses more than a decade over five convolutions, with or without the biases"
    " of 1; He keeps it.",
    margins="1 decade is ten times.",
    source="Krizhevsky et al. 2012, sec. 5",
    claims=(
        Claim(
            "A12",
            (
                Expect("normal:0.01, biases 1", "<", "he-normal", 1.0),
                Expect("normal:0.01, biases 0", "<", "he-normal", 1.0),
                Expect("he-normal", "=", 0.0, 1.0),
            ),
            instead="the notes leave out that AlexNet needed dropout .5, augmentation, weight decay"
            " and biases of 1: with five convolutions a weak start is still survivable",
            says="AlexNet's printed init loses the signal, which He's keeps",
        ),
    ),
)
