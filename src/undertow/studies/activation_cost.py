"""What an activation costs beside a convolution."""

from undertow.core.plan import Plan
from undertow.studies.measures import tasks
from undertow.studies.study import Claim, Expect, Statistic, Study, grid

STUDY = Study(
    id="activation-cost",
    question="What does an activation cost beside the convolution it follows?",
    vary=grid(fn=("relu", "leaky-relu", "sigmoid", "tanh", "gelu")),
    hold=Plan("mlp"),
    data="N(0, 1), 16 maps of 32 channels, 32x32",
    measure=tasks.cost,
    statistics=(
        Statistic("of_conv", "time forward and backward over that of a 3x3 convolution"),
        Statistic("log_of_relu", "log2 of the time over relu's"),
        Statistic("ms", "milliseconds, one thread"),
    ),
    says="All of them are small beside the convolution, and leaky costs as relu.",
    margins="half the convolution; a factor of 1.5 (.58 in log2) between two timings is noise.",
    claims=(
        Claim(
            "F15",
            (Expect("relu", "<", 0.5, 0.0), Expect("tanh", ">", "relu", 0.0, "log_of_relu")),
            instead="so are the others: beside a convolution each is small, and the gain is in the"
            " number of steps; how much more tanh costs than relu depends on the processor",
        ),
        Claim("F22", (Expect("leaky-relu", "=", 0.0, 0.58, "log_of_relu"),)),
    ),
)
