"""What helps a net that explodes."""

from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.studies.measures import start, training
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study

SICK = (("gain", 1.7),)
STUDY = Study(
    id="remedies-exploding",
    question="What helps a net that explodes: clipping, penalties, batch norm or the init?",
    vary=(
        Arm("nothing", SICK),
        Arm("clip norm 1", (*SICK, ("clip_norm", 1.0))),
        Arm("clip value .1", (*SICK, ("clip_value", 0.1))),
        Arm("l2 .1", (*SICK, ("l2", 0.1))),
        Arm("l1 1e-4", (*SICK, ("l1", 1e-4))),
        Arm("batch norm", (*SICK, ("norm", "batch"))),
        Arm("he init", ()),
        Arm("rate .15", (("lr", 0.15),)),
        Arm("rate .15, clip norm 1", (("lr", 0.15), ("clip_norm", 1.0))),
        Arm("overflow", (("gain", 100.0),)),
        Arm("overflow, clip norm 1", (("gain", 100.0), ("clip_norm", 1.0))),
    ),
    hold=Plan(
        "mlp",
        Choices(act="relu", norm="none", init="he-normal"),
        (("depth", 20), ("width", 64)),
        train=TrainChoices(lr=0.02),
    ),
    data="digits",
    steps=80,
    measure=training.with_start,
    statistics=(
        Statistic("loss", "training loss of the last tenth over guessing, at most 2", training.CAP),
        Statistic("accuracy", "share of held-back digits right; chance where not finite"),
        Statistic("lasted", "share of the steps whose loss was finite"),
        Statistic("decades", "of the gradient lost towards the input at the start", -start.CAP),
    ),
    says="Clipping keeps the steps finite but not the gradients small, and a forward overflow is"
    " beyond it; penalties change nothing; batch norm and the right init cure it.",
    margins=".3 of the steps; .2 of accuracy; .5 decades are a factor of 3 over 20 layers.",
    claims=(
        Claim(
            "G15",
            (
                Expect("clip norm 1", ">", "nothing", 0.3, "lasted"),
                Expect("rate .15, clip norm 1", ">", "rate .15", 0.2, "accuracy"),
            ),
            instead="it bounds the step: a net whose rate is too large trains, a net whose weights"
            " are too large stays finite and no more",
        ),
        Claim(
            "G16",
            (
                Expect("overflow, clip norm 1", ">", "overflow", 0.3, "lasted"),
                Expect("clip norm 1", ">", "nothing", 0.5, "decades"),
            ),
            "refuted",
            "it bounds the step, not the gradient; an overflow on the way forward happens before"
            " there is anything to clip",
        ),
        Claim(
            "G17",
            (
                Expect("l2 .1", ">", "nothing", 0.3, "lasted"),
                Expect("l1 1e-4", ">", "nothing", 0.3, "lasted"),
            ),
            "refuted",
            "a penalty acts over many steps, and a start that explodes leaves no time for it",
        ),
        Claim(
            "cure",
            (
                Expect("batch norm", ">", "clip norm 1", 0.2, "accuracy"),
                Expect("he init", ">", "clip norm 1", 0.2, "accuracy"),
            ),
            says="batch norm and the right init are worth more than clipping",
        ),
    ),
)
