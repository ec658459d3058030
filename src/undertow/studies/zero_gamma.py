"""Which further remedies keep the gradient of a deep net whose init loses it."""

from undertow.core.plan import Choices, Plan
from undertow.studies.measures import blocks, start
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study

SICK = "PyTorch's default"
STUDY = Study(
    id="zero-gamma",
    question="Which further remedies keep the gradient of a deep net whose init loses it?",
    vary=(
        Arm(SICK, (("init", "torch"),)),
        Arm("orthogonal", (("init", "orthogonal"),)),
        Arm("layer norm", (("init", "torch"), ("norm", "layer"))),
        Arm("selu, LeCun", (("init", "lecun-normal"), ("act", "selu"))),
        Arm("he, skips", (("shortcut", "identity"), ("order", "pre"))),
        Arm(
            "he, skips, branches start at 0",
            (("shortcut", "identity"), ("order", "pre"), ("zeroed", True)),
        ),
        Arm(
            "he, skips, batch norm",
            (("shortcut", "identity"), ("order", "pre"), ("normed", True)),
        ),
    ),
    hold=Plan("mlp", Choices(act="relu", norm="none"), (("depth", 50), ("width", 256))),
    measure=blocks.remedy,
    statistics=(
        Statistic(
            "decades", "of the gradient lost towards the input; below 0 it grows", -start.CAP
        ),
        Statistic("grown", "decades the signal grows from first to last layer", start.CAP),
    ),
    says="Orthogonal weights, skips, layer norm and a self-normalising activation each cure it;"
    " branches that start at 0 also cure the explosion of skips under He.",
    margins="3 decades are the limit of a finding.",
    source="Goyal et al. 2017, sec. 5.1; Saxe et al. 2014; Klambauer et al. 2017",
    claims=(
        Claim(
            "G20",
            (
                Expect("orthogonal", "<", SICK, 3.0),
                Expect("he, skips, batch norm", "<", SICK, 3.0),
                Expect("he, skips, branches start at 0", "<", SICK, 3.0),
                Expect("layer norm", "<", SICK, 3.0),
                Expect("selu, LeCun", "<", SICK, 3.0),
            ),
            says="further remedies than those of the notes keep the gradient: orthogonal weights,"
            " skips, zero-gamma, layer norm, selu",
        ),
        Claim(
            "small-branches",
            (
                Expect("he, skips", "<", -3.0, 0.0),
                Expect("he, skips, branches start at 0", "=", 0.0, 1.0),
            ),
            says="skips under He explode without a norm, and branches that start at 0 cure that",
        ),
    ),
)
