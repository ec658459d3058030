"""What helps a deep sigmoid net that does not learn."""

from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.studies.measures import start, training
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study

SICK = (("act", "sigmoid"), ("init", "xavier-uniform"))
STUDY = Study(
    id="remedies-vanishing",
    question="What helps a 20-layer sigmoid net that does not learn?",
    vary=(
        Arm("nothing", SICK),
        Arm("relu, torch", (("act", "relu"), ("init", "torch"))),
        Arm("relu, he", (("act", "relu"), ("init", "he-normal"))),
        Arm("leaky-relu, he", (("act", "leaky-relu"), ("init", "he-normal"))),
        Arm("tanh, xavier", (("act", "tanh"), ("init", "xavier-uniform"))),
        Arm("batch norm", (*SICK, ("norm", "batch"))),
        Arm("skips", (*SICK, ("skip", "projection"))),
        Arm("clip norm 1", (*SICK, ("clip_norm", 1.0))),
        Arm("rate x 10", (*SICK, ("lr", 0.2))),
    ),
    hold=Plan(
        "mlp",
        Choices(norm="none"),
        (("depth", 20), ("width", 64)),
        train=TrainChoices(lr=0.02),
    ),
    data="digits",
    steps=132,
    measure=training.with_start,
    statistics=(
        Statistic("accuracy", "share of held-back digits right; chance where not finite"),
        Statistic("loss", "training loss of the last tenth over guessing, at most 2", training.CAP),
        Statistic("decades", "of the gradient lost towards the input at the start", start.CAP),
    ),
    says="Activation and init together, skips and batch norm help; relu with PyTorch's default"
    " init, clipping and a larger rate do not.",
    margins=".3 of accuracy is far above chance (.1); 6 epochs of digits.",
    claims=(
        Claim(
            "G8",
            (
                Expect("relu, he", ">", "nothing", 0.3),
                Expect("leaky-relu, he", ">", "nothing", 0.3),
                Expect("relu, torch", ">", "nothing", 0.3),
            ),
            "depends",
            "with the init that belongs to it; relu with PyTorch's default init is as stuck as"
            " the sigmoid",
        ),
        Claim(
            "clipping",
            (
                Expect("clip norm 1", ">", "nothing", 0.1),
                Expect("clip norm 1", "<", "nothing", 1.0, "decades"),
            ),
            "refuted",
            "clipping makes large gradients smaller and leaves small ones as they are",
            says="clipping cures vanishing gradients",
        ),
        Claim(
            "rate",
            (Expect("rate x 10", ">", "nothing", 0.3),),
            "refuted",
            "ten times next to nothing is next to nothing",
            says="a larger learning rate cures vanishing gradients",
        ),
        Claim(
            "others",
            (
                Expect("tanh, xavier", ">", "nothing", 0.3),
                Expect("batch norm", ">", "nothing", 0.3),
                Expect("skips", ">", "nothing", 0.3),
            ),
            says="tanh with Xavier, batch norm and skips help without relu",
        ),
    ),
)
