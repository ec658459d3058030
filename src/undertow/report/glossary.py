"""The words of a report in one sentence each, and headlines for mechanisms."""

from collections.abc import Iterable, Mapping

GLOSSARY: Mapping[str, str] = {
    "forward rms": (
        "Root mean square of a layer's output after its activation: the size of the signal."
    ),
    "|dL/dh|": (
        "L2 norm of the gradient of the loss at a layer's output. Compared over depth it says "
        "how much of the error signal reaches each layer."
    ),
    "|dL/dW|": (
        "L2 norm of the gradient of a layer's weights; it can look sound while the signal "
        "that should teach the layer has vanished."
    ),
    "update/weight": (
        "Norm of one optimiser step over the norm of the weights it changes. 1e-4 to 1e-2 is "
        "usual; far below, a layer stands still."
    ),
    "dead": (
        "Share of units that fire for no input of the batch: behind a ReLU they get no gradient."
    ),
    "saturated": "Share of an activation's inputs where its slope is below 5 % of its top slope.",
    "spread": (
        "How much a layer's output differs between inputs; near 0 all inputs look alike to it."
    ),
    "decay": (
        "Decades of gradient lost from the last hidden layer to the first: 3 means a factor "
        "of 1000. Below 0 the gradient grows towards the input."
    ),
    "growth": "Decades by which the signal grows from the first hidden layer to the last.",
    "guessing": (
        "The best answer that is the same for every input. A loss of 1.00 of guessing means "
        "that nothing was learned; below .90 the net learns."
    ),
    "one-batch loss": (
        "The lowest loss in a few steps on one and the same batch. A net that cannot learn "
        "one batch cannot learn the data."
    ),
    "line probe": (
        "The loss after a single step at a thousandth to a thousand times the rate given."
    ),
    "counterfactual": "Exactly one factor changed on a copy, all else equal, measured again.",
    "suspected": "Standing of a cause: numbers point to it, no experiment was made.",
    "supported": "Standing of a cause: changing that one factor on a copy made the symptom go.",
    "confirmed": "Standing of a cause: paired training with the factor changed was repaired.",
    "excluded": "A rival cause: changing it on a copy did not help.",
    "paired trial": (
        "The same seeds, first weights and batches in every arm, so that seed by seed only "
        "the change differs."
    ),
    "control": "The arm that is trained unrepaired, (none) in the tables.",
    "decoy": (
        "An arm with a change of equal price that is known not to help: it shows what chance "
        "and extra care alone would give."
    ),
    "interval": (
        "95 % t interval of the mean paired difference. Where it includes 0, no effect is shown."
    ),
    "repaired": (
        "It trains in every seed where the control fails, on held-back data too, and beats "
        "the decoy."
    ),
    "improved": "Better than control and decoy beyond chance, but one condition of repaired fails.",
    "not-shown": "The interval includes 0, the decoy does as well, or there were too few seeds.",
    "worse": "Worse beyond chance, or numbers stopped being finite.",
    "held-back data": "Samples no arm was trained on.",
}
HEADLINES: Mapping[str, str] = {
    "vanishing": "The gradient vanishes on its way to the input",
    "exploding": "Signal or gradient explodes",
    "dead": "Units are dead",
    "saturated": "Activations are saturated",
    "lr-high": "The learning rate is too high",
    "lr-low": "The learning rate is too low",
    "input-scale": "The input is out of scale",
    "head": "Output head and loss do not fit",
    "data": "Labels or data are wrong",
    "degradation": "Deeper is worse",
    "healthy": "Healthy",
}


def slug(word: str) -> str:
    """A word as the end of an id: letters and digits, the rest as hyphens."""
    return "-".join("".join(c if c.isalnum() else " " for c in word.lower()).split())


def used(text: str) -> dict[str, str]:
    """The entries whose word occurs in a text, in alphabetical order."""
    found: Iterable[str] = (word for word in GLOSSARY if word.lower() in text.lower())
    return {word: GLOSSARY[word] for word in sorted(found, key=str.lower)}
