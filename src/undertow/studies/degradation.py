"""Whether plain deep nets struggle because their gradients vanish."""

from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.studies.measures import blocks, start, training
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study


def _arm(shortcut: str, count: int) -> Arm:
    label = f"{'plain' if shortcut == 'none' else 'residual'}, {2 * count} layers"
    return Arm(label, (("shortcut", shortcut), ("blocks", count), ("normed", True)))


STUDY = Study(
    id="degradation",
    question="Do plain deep nets struggle because their gradients vanish?",
    vary=tuple(_arm(s, n) for s in ("none", "identity") for n in (5, 15, 35)),
    hold=Plan("mlp", Choices(), (("width", 48),), train=TrainChoices(lr=0.02)),
    data="digits",
    steps=100,
    measure=blocks.outcome,
    statistics=(
        Statistic("loss", "training loss of the last tenth over guessing, at most 2", training.CAP),
        Statistic("accuracy", "share of held-back digits right; chance where not finite"),
        Statistic(
            "decades",
            "of the gradient lost towards the input at the start; below 0 it grows",
            -start.CAP,
        ),
    ),
    says="With batch norm the gradient of a plain net does not vanish at any depth, and yet the"
    " deeper one trains worse, and the residual one does not.",
    margins="3 decades are the limit of a finding; .05 of the loss of guessing.",
    source='He et al. 2016, sec. 4.1: "unlikely to be caused by vanishing gradients"',
    claims=(
        Claim(
            "S3",
            (
                Expect("plain, 30 layers", ">", 3.0, 0.0, "decades"),
                Expect("plain, 70 layers", ">", 3.0, 0.0, "decades"),
            ),
            "refuted",
            "with batch norm they do not vanish, they grow towards the input; the deeper net has"
            " the higher training loss all the same, which is degradation; the paper on ResNet"
            " itself calls vanishing gradients unlikely (sec. 4.1)",
        ),
        Claim(
            "degradation",
            (
                Expect("plain, 30 layers", ">", "plain, 10 layers", 0.05),
                Expect("plain, 70 layers", ">", "plain, 30 layers", 0.05),
                Expect("residual, 30 layers", "<", "plain, 30 layers", 0.05),
            ),
            says="the deeper plain net has the higher training loss, the residual one does not",
        ),
        Claim(
            "R9",
            (
                Expect("residual, 70 layers", "<", "plain, 70 layers", 0.3),
                Expect("residual, 70 layers", "<", 0.5, 0.0),
            ),
            says="residual networks of seventy layers train",
            instead="with batch norm in the branches; without a norm they explode (study"
            " skip-gradient), and more than seventy layers were not tried here",
        ),
    ),
)
