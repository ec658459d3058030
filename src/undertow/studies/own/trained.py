"""Studies asked of a network by short trainings: each cell is one of them."""

from undertow.studies.measures import training
from undertow.studies.own import asked
from undertow.studies.own.before import BUILT, PLAIN
from undertow.studies.own.form import Form, bare, bent, deep, labelled, rectified, wrapped
from undertow.studies.study import Arm, Claim, Expect, Statistic

STEPS = 100
LOSS = Statistic("loss", "training loss of the last tenth over guessing, at most 2", training.CAP)
ACCURACY = Statistic("accuracy", "share of held-back samples right; chance where not finite")
LASTED = Statistic("lasted", "share of the steps whose loss was finite")
DEAD = Statistic("dead", "share of units silent for all of 512 training samples", 1.0)


def _rate(times: float) -> Arm:
    return Arm(f"its rate x {times:g}", (("rate", times),))


RATE = Form(
    id="learning-rate",
    question="How much does the learning rate decide for this network?",
    vary=(_rate(0.01), _rate(0.1), PLAIN, _rate(10.0), _rate(100.0)),
    ask=asked.after_training,
    statistics=(LOSS, ACCURACY, LASTED),
    claims=(
        Claim(
            "learning-rate",
            (
                Expect("its rate x 0.01", ">", BUILT, 0.2),
                Expect("its rate x 100", ">", BUILT, 0.2),
            ),
            says="its own rate is neither a hundred times too small nor too large",
        ),
    ),
    says="A hundredth hardly learns, a hundred times fails; a decade each way tells how near.",
    margins=".2 of the loss of guessing.",
    needs=(labelled,),
    steps=STEPS,
    learns=("its rate x 0.1", BUILT, "its rate x 10"),
)
DYING = Form(
    id="dying-relu",
    question="Do this network's ReLUs die, and at which rate?",
    vary=(PLAIN, _rate(10.0), _rate(100.0)),
    ask=asked.after_training,
    statistics=(DEAD, ACCURACY, LASTED),
    claims=(
        Claim(
            "F19",
            (Expect(BUILT, ">", 0.1, 0.0), Expect("its rate x 100", ">", 0.3, 0.0)),
            says="its zero gradient for x < 0 makes this network's units die",
        ),
    ),
    says="Few at a usual rate, most at one that is far too large.",
    margins=".1 of the units is few, .3 is many.",
    needs=(rectified, labelled),
    steps=STEPS,
)
BENDS = Form(
    id="nonlinearity",
    question="What would this network lose without its activations?",
    vary=(PLAIN, Arm("without", (("to_act", "identity"),))),
    ask=asked.after_training,
    statistics=(ACCURACY, LOSS),
    claims=(
        Claim(
            "F1",
            (Expect(BUILT, ">", "without", 0.02),),
            says="its activations let this network fit what a linear one cannot",
        ),
    ),
    says="What a line cannot solve; on easy data that is little, and without them it trains well.",
    margins=".02 of accuracy.",
    needs=(bent, labelled),
    steps=STEPS,
)
INPUTS = Form(
    id="input-scale",
    question="How much does this network mind the scale of its inputs?",
    vary=(
        PLAIN,
        Arm("inputs x 100", (("scale", 100.0),)),
        Arm("inputs x .01", (("scale", 0.01),)),
        Arm("inputs + 10", (("shift", 10.0),)),
    ),
    ask=asked.after_training,
    statistics=(LOSS, ACCURACY, LASTED),
    claims=(
        Claim(
            "input-scale",
            (
                Expect("inputs x 100", ">", BUILT, 0.2),
                Expect("inputs x .01", ">", BUILT, 0.2),
                Expect("inputs + 10", ">", BUILT, 0.2),
            ),
            says="inputs of another scale or mean stop this network",
        ),
    ),
    says="Without a norm all three spoil it; a norm behind the first layer takes the scale out.",
    margins=".2 of the loss of guessing.",
    needs=(labelled,),
    steps=STEPS,
    learns=(BUILT,),
)
REMEDIES = Form(
    id="remedies-vanishing",
    question="Which change makes this network train better?",
    vary=(
        PLAIN,
        Arm("relu, He", (("to_act", "relu"), ("to_init", "he-normal"))),
        Arm("tanh, Xavier", (("to_act", "tanh"), ("to_init", "xavier-uniform"))),
        Arm("batch norm", (("to_norm", "batch"),)),
    ),
    ask=asked.after_training,
    statistics=(LOSS, ACCURACY, LASTED),
    claims=(
        Claim(
            "G8",
            (Expect("relu, He", "<", BUILT, 0.1),),
            says="ReLU with its initialisation makes this network train better",
        ),
        Claim(
            "batch-norm",
            (Expect("batch norm", "<", BUILT, 0.1),),
            says="batch norm makes this network train better",
        ),
    ),
    says="Nothing, where it trains already; else the one that answers the cause.",
    margins=".1 of the loss of guessing. `undertow repair` finds and proves a change.",
    needs=(deep, bent, bare, labelled),
    steps=STEPS,
)
CALIBRATION = Form(
    id="calibration",
    question="Are this network's outputs probabilities?",
    vary=(PLAIN,),
    ask=asked.after_training,
    statistics=(
        Statistic("error", "mean gap of confidence and share right, held back; 1: not finite", 1.0),
        ACCURACY,
        LOSS,
    ),
    claims=(
        Claim(
            "F5",
            (Expect(BUILT, "<", 0.05, 0.0),),
            says="this network's largest output is the probability that it is right",
        ),
    ),
    says="Between 0 and 1 they are; whether they are probabilities is measured.",
    margins=".05 is a gap of a twentieth.",
    needs=(labelled,),
    steps=STEPS,
    learns=(BUILT,),
)
LESION = Form(
    id="lesion",
    question="What does this network lose when one block is taken out?",
    vary=(PLAIN,),
    ask=asked.lesion,
    statistics=(
        Statistic("loss_of_one", "mean accuracy lost when one block is left out", 1.0),
        Statistic("intact", "share of held-back samples right with all of them"),
        LOSS,
    ),
    claims=(
        Claim(
            "S4",
            (Expect(BUILT, "<", 0.2, 0.0), Expect(BUILT, ">", 0.5, 0.0, "intact")),
            says="information can go round this network's blocks",
        ),
    ),
    says="Little with skips, most of it without.",
    margins=".2 of accuracy; below .5 intact there is little to lose.",
    needs=(wrapped, labelled),
    steps=STEPS,
    learns=(BUILT,),
)
FORMS = (RATE, DYING, BENDS, INPUTS, REMEDIES, CALIBRATION, LESION)
