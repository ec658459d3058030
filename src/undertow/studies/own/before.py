"""Studies asked of a network before any training: seconds each."""

from undertow.studies.measures import start
from undertow.studies.own import asked
from undertow.studies.own.form import Form, bare, bent, deep, flat, rectified, seen, wrapped
from undertow.studies.study import Arm, Claim, Expect, Statistic

BUILT = "as built"
LIMIT = 3.0  # decades: that of a finding
PLAIN = Arm(BUILT, ())
DECADES = Statistic(
    "decades", "of the gradient lost from last to first hidden layer; below 0 it grows", start.CAP
)
FACTOR = Statistic("factor", "gradient kept at each layer on the way back", 0.0)
GROWN = Statistic("grown", "decades the signal grows from first to last hidden layer", start.CAP)
THREE = "3 decades are the limit of a finding."


def _changed(label: str, name: str, value: str | float) -> Arm:
    return Arm(label, ((name, value),))


VANISHING = Form(
    id="vanishing",
    question="Does the gradient vanish in this network, and would it with other activations?",
    vary=(PLAIN, *(_changed(f"with {a}", "to_act", a) for a in ("sigmoid", "tanh", "relu"))),
    ask=asked.at_start,
    statistics=(DECADES, FACTOR, GROWN),
    claims=(
        Claim(
            "G1",
            (Expect(BUILT, ">", LIMIT, 0.0),),
            says="in this network gradients become extremely small on their way to the input",
        ),
        Claim(
            "F7",
            (Expect("with sigmoid", ">", LIMIT, 0.0),),
            says="with sigmoids in its place it would hardly learn in its first layers",
        ),
        Claim(
            "F12",
            (Expect("with tanh", ">", LIMIT, 0.0),),
            says="with tanh the gradient would vanish too",
        ),
    ),
    says="The deeper it is, the more a sigmoid costs; norms and skips take most of that away.",
    margins=f"{THREE} The weights stay as they are built.",
    needs=(deep, bent),
)
INIT = Form(
    id="init",
    question="Which initialisation carries the gradient through this network?",
    vary=(
        PLAIN,
        *(
            _changed(word, "to_init", word)
            for word in ("he-normal", "xavier-uniform", "torch", "normal:0.01")
        ),
    ),
    ask=asked.at_start,
    statistics=(DECADES, FACTOR, GROWN),
    claims=(
        Claim(
            "G9",
            (Expect("he-normal", "<", LIMIT, 0.0), Expect("xavier-uniform", "<", LIMIT, 0.0)),
            says="He and Xavier initialisation keep this network's gradient",
        ),
        Claim(
            "G7",
            (Expect("normal:0.01", ">", LIMIT, 0.0),),
            says="a small random initialisation makes this network's gradient vanish",
        ),
    ),
    says="The one that belongs to its activation; with a norm they are all alike.",
    margins=THREE,
    needs=(deep,),
)
EXPLODING = Form(
    id="exploding",
    question="What do larger weights do to signal and gradient in this network?",
    vary=(PLAIN, *(_changed(f"weights x {g:g}", "weights", g) for g in (1.5, 2.0, 3.0))),
    ask=asked.at_start,
    statistics=(GROWN, DECADES, FACTOR),
    claims=(
        Claim(
            "G10",
            (Expect(BUILT, "<", -LIMIT, 0.0, "decades"),),
            says="in this network gradients become extremely large on their way to the input",
        ),
        Claim(
            "G14",
            (Expect("weights x 2", ">", BUILT, 1.0),),
            says="weights twice as large make its signal grow from layer to layer",
        ),
    ),
    says="Without a norm the growth is the gain to the power of the depth; a norm takes it out.",
    margins=f"{THREE} 1 decade of growth is ten times.",
    needs=(deep,),
)
BATCHNORM = Form(
    id="batchnorm",
    question="What would batch normalisation do to this network at its start?",
    vary=(
        PLAIN,
        _changed("weights x 3", "weights", 3.0),
        _changed("batch norm", "to_norm", "batch"),
        Arm("batch norm, weights x 3", (("to_norm", "batch"), ("weights", 3.0))),
    ),
    ask=asked.at_start,
    statistics=(DECADES, FACTOR, GROWN),
    claims=(
        Claim(
            "G18",
            (
                Expect("batch norm, weights x 3", "=", "batch norm", 0.5),
                Expect("batch norm", "<", LIMIT, 0.0),
                Expect("batch norm", ">", -LIMIT, 0.0),
            ),
            says="batch norm takes the scale of the weights out of this network's gradient and"
            " keeps it within 3 decades",
        ),
    ),
    says="It makes the scale of the weights irrelevant; a deep plain relu net grows all the same.",
    margins=f"{THREE} .5 of a decade is a factor of three.",
    needs=(deep, bare),
)
SKIP = Form(
    id="skip-gradient",
    question="Would skips keep this network's gradient?",
    vary=(PLAIN, _changed("skips", "to_skip", "zero-pad")),
    ask=asked.at_start,
    statistics=(DECADES, GROWN, FACTOR),
    claims=(
        Claim(
            "S6",
            (Expect("skips", "<", LIMIT, 0.0), Expect("skips", ">", -LIMIT, 0.0)),
            says="with skips over its blocks this network's gradient neither vanishes nor explodes",
        ),
    ),
    says="They carry the gradient; without a norm or small branches the sum grows.",
    margins=f"{THREE} A skip is put over every block of 1 to 4 layers that keeps its shape.",
    needs=(deep, wrapped),
)
SATURATION = Form(
    id="saturation",
    question="Is saturation what this network suffers from?",
    vary=(PLAIN, _changed("weights x 3", "weights", 3.0)),
    ask=asked.at_start,
    statistics=(
        Statistic("saturated", "share of inputs where the slope is under 5 % of the largest"),
        DECADES,
    ),
    claims=(
        Claim(
            "G4",
            (Expect(BUILT, ">", 0.05, 0.0),),
            says="more than a twentieth of this network's units saturate at its start",
        ),
    ),
    says="Hardly any with a usual start; large weights or biases saturate them.",
    margins=".05 of the inputs is few.",
    needs=(flat,),
)
SPARSITY = Form(
    id="sparsity",
    question="How many outputs of this network's activations are exactly 0?",
    vary=(PLAIN, _changed("with leaky-relu", "to_act", "leaky-relu")),
    ask=asked.zeros,
    statistics=(Statistic("zeros", "share of the activations' outputs that are exactly 0"),),
    claims=(
        Claim(
            "F18",
            (Expect(BUILT, ">", "with leaky-relu", 0.3),),
            says="its ReLUs make this network's activations sparse",
        ),
    ),
    says="About half at the start, by symmetry; less behind a residual sum.",
    margins=".3 of the outputs.",
    needs=(rectified, seen),
)
OPTIMIZER = Form(
    id="optimizer-mask",
    question="Do this network's first layers update slowly?",
    vary=(
        Arm("sgd", (("optimizer", "sgd"), ("lr", 0.02))),
        Arm("adam", (("optimizer", "adam"), ("lr", 0.001))),
    ),
    ask=asked.at_start,
    statistics=(
        Statistic("lag", "decades by which the first layer's update is behind the last's", 46.0),
        DECADES,
    ),
    claims=(
        Claim(
            "G2",
            (Expect("sgd", ">", LIMIT, 0.0), Expect("adam", ">", LIMIT, 0.0)),
            says="the weights of this network's first layers update slowly",
        ),
    ),
    says="Under SGD as slowly as its gradient; Adam rescales every weight's step.",
    margins=THREE,
    needs=(deep,),
)
FORMS = (VANISHING, INIT, EXPLODING, BATCHNORM, SKIP, SATURATION, SPARSITY, OPTIMIZER)
