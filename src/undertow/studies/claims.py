"""Every claim of the evidence book, and what answers it: a study, or a sourced text for history."""

import textwrap
from dataclasses import dataclass

from undertow.studies.result import stored

NOT_YET = "not answered yet"


@dataclass(frozen=True, slots=True)
class Text:
    """The answer to a claim that is pure history, with its source."""

    words: str
    source: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """A claim and its answers: (study, verdict) pairs, or a text; neither: not answered yet."""

    id: str
    says: str
    answers: tuple[tuple[str, str], ...]
    text: str = ""
    source: str = ""

    @property
    def answered(self) -> bool:
        """Whether anything answers it."""
        return bool(self.answers or self.text)

    def line(self, width: int = 100) -> str:
        """Id, claim and answers, as printed."""
        found = "; ".join(f"{word} (study {study})" for study, word in self.answers)
        told = f"{self.text} [{self.source}]" if self.text else ""
        margin = " " * 5
        lines = [
            textwrap.fill(lead + text, width, subsequent_indent=margin)
            for lead, text in ((f"{self.id:<5}", self.says), (margin, found or told or NOT_YET))
        ]
        return "\n".join(lines)


EXPLODING = range(10, 19)  # of the G claims; the others are the vanishing chapter's
PAGES = {"A": "alexnet", "V": "vgg", "F": "activations", "S": "residual", "R": "resnet"}


def chapter_of(claim: str) -> str:
    """The chapter a claim of the book belongs to; "" for a word of our own."""
    if claim not in CLAIMS:
        return ""
    if claim[0] == "G":
        return "exploding" if int(claim[1:]) in EXPLODING else "vanishing"
    return PAGES.get(claim[0], "inception")


def coverage() -> tuple[Coverage, ...]:
    """Every claim in the order of the book, from the stored results."""
    found: dict[str, list[tuple[str, str]]] = {}
    for result in stored().values():
        for claim in result.claims:
            found.setdefault(claim.id, []).append((result.study, claim.verdict))
    return tuple(_covered(claim, says, found) for claim, says in CLAIMS.items())


def _covered(claim: str, says: str, found: dict[str, list[tuple[str, str]]]) -> Coverage:
    text = TEXTS.get(claim, Text("", ""))
    return Coverage(claim, says, tuple(found.get(claim, ())), text.words, text.source)


CLAIMS = {
    "A1": "AlexNet won ILSVRC 2012",
    "A2": "AlexNet has eight learned layers: five convolutional and three fully connected",
    "A3": "AlexNet's convolutions use small filters",
    "A4": "the number of channels rises with depth",
    "A5": "deeper layers extract more complex features",
    "A6": "AlexNet made ReLU popular",
    "A7": "ReLU's non-linearity lets the net fit patterns that a linear one cannot",
    "A8": "max pooling keeps the most important features",
    "A9": "local response normalisation normalises across neighbouring channels",
    "A10": "local response normalisation improves generalisation",
    "A11": "the fully connected layers aggregate the features and classify",
    "A12": "left out: dropout, augmentation, weight decay and the initialisation AlexNet needed",
    "V1": "VGG (2014) has a simple, uniform structure",
    "V2": "VGG has 16 or 19 layers",
    "V3": "VGG uses 3x3 filters of stride 1 throughout",
    "V4": "small filters extract more detail",
    "V5": "VGG's max pooling keeps the important features",
    "V6": "depth up to 19 layers learns more complex representations",
    "V7": "depth costs computation",
    "V8": "VGG is widely used for transfer learning",
    "V9": "pre-trained weights help where there are few data",
    "V10": "left out: deep VGGs did not train from their own initialisation",
    "F1": "activations give a network its non-linearity",
    "F2": "the sigmoid is 1/(1 + eˣ)",
    "F3": "the sigmoid squashes every input into (0, 1)",
    "F4": "the sigmoid's smooth gradient suits gradient-based training",
    "F5": "the sigmoid's output is a probability",
    "F6": "the sigmoid's gradient approaches 0 for very large or small inputs",
    "F7": "so deep networks of sigmoids learn slowly",
    "F8": "the sigmoid is not zero-centred, which makes training harder",
    "F9": "tanh is like the sigmoid with the range (-1, 1)",
    "F10": "tanh is smooth, which suits gradient-based training",
    "F11": "tanh is zero-centred, which is convenient",
    "F12": "tanh suffers from vanishing gradients too",
    "F13": "tanh's limited range slows convergence",
    "F14": "ReLU is max(0, x) and popular",
    "F15": "ReLU is cheap to compute",
    "F16": "ReLU trains faster than sigmoid and tanh",
    "F17": "ReLU overcomes vanishing gradients: it does not saturate for x > 0",
    "F18": "ReLU makes activations sparse",
    "F19": "ReLU's zero gradient for x < 0 makes units die",
    "F20": "ReLU is unbounded, so activations may explode",
    "F21": "leaky ReLU = max(ax, x) fixes dying units",
    "F22": "leaky ReLU costs as little as ReLU",
    "F23": "leaky ReLU's slope is hard to choose and matters",
    "F24": "leaky ReLU is unbounded, so activations may explode",
    "F25": "left out: elu, selu, gelu, silu, mish, softplus",
    "G1": "vanishing means that gradients become extremely small on their way to the input",
    "G2": "so the weights of early layers update slowly",
    "G3": "vanishing happens in networks with many layers",
    "G4": "the cause is saturating activations: sigmoid and tanh",
    "G5": "the cause is a product over layers",
    "G6": "the product vanishes where derivatives are near 0",
    "G7": "the cause is a small random initialisation",
    "G8": "ReLU and its variants mitigate vanishing",
    "G9": "Xavier and He initialisation mitigate vanishing",
    "G10": "exploding means that gradients become extremely large",
    "G11": "training becomes unstable and finds no optimum",
    "G12": "numerical instability prevents convergence",
    "G13": "the cause is weights too large, a bad initialisation or unstable updates",
    "G14": "the cause is accumulation over many layers",
    "G15": "clipping mitigates explosion: it scales gradients down",
    "G16": "clipping effectively prevents explosion",
    "G17": "L1 and L2 penalties mitigate explosion",
    "G18": "batch normalisation controls the scale",
    "G19": "left out: other causes (rate, input scale, constant input, ...) that look alike",
    "G20": "left out: further remedies (skips, zero-gamma, orthogonal, ...)",
    "S1": "networks with skip connections are called residual",
    "S2": "the residual is the difference between input and desired output of a layer",
    "S3": "plain deep networks struggle because gradients vanish",
    "S4": "skip connections let information bypass layers",
    "S5": "a residual block refines its input",
    "S6": "skip connections overcome vanishing gradients",
    "S7": "they make very deep networks possible",
    "S8": "they improved classification and detection",
    "R1": "ResNet (2015) is a deep network with shortcuts",
    "R2": "a layer's input is added to its output",
    "R3": "the skips are identity mappings",
    "R4": "identity skips ease optimisation",
    "R5": "a bottleneck is a 1x1 followed by a 3x3 convolution",
    "R6": "the bottleneck cuts complexity and keeps performance",
    "R7": "ResNet comes in 50, 101 and 152 layers",
    "R8": "the variants trade depth, accuracy and computation",
    "R9": "networks of hundreds of layers train",
    "I1": "Inception is also known as GoogLeNet",
    "I2": "Inception uses computation efficiently",
    "I3": "parallel branches of several filter sizes",
    "I4": "the sizes capture features of different scales",
    "I5": "1x1 convolutions reduce the dimension before the larger ones",
    "I6": "1x1 convolutions help information flow across scales",
    "I7": "the branches' outputs are concatenated along the channels",
    "I8": "auxiliary classifiers combat vanishing gradients",
    "I9": "auxiliary classifiers add supervision and gradient in the middle",
    "I10": "left out: GoogLeNet was trained without batch norm; the published form has it",
}
TEXTS: dict[str, Text] = {
    "A1": Text(
        "It did, with a top-5 error of 15.3 % against 26.2 % of the second; the entry was a variant"
        " of the net described, not the single net that is used today.",
        "Krizhevsky et al., NIPS 2012, abstract",
    ),
    "A6": Text(
        "As history it holds. Rectifiers were used before it in vision (Jarrett et al. 2009), in"
        " Boltzmann machines (Nair & Hinton 2010) and in deep classifiers (Glorot et al. 2011).",
        "Krizhevsky et al., NIPS 2012, sec. 3.1",
    ),
    "V8": Text(
        "As history it holds. As fixed features ResNets transfer better.",
        "Kornblith et al., CVPR 2019",
    ),
    "F14": Text(
        "It is, and the default of the networks described here since AlexNet.",
        "Nair & Hinton, ICML 2010; Glorot et al., AISTATS 2011",
    ),
    "S1": Text(
        "Not every one. Adding the input makes a block residual; U-Net and DenseNet concatenate,"
        " highway networks gate.",
        "He et al., CVPR 2016, sec. 3; Huang et al., CVPR 2017; Srivastava et al. 2015",
    ),
    "S7": Text(
        "They do: in pre-activation form 1001 layers reach an error of 4.62 % on CIFAR-10.",
        "He et al., ECCV 2016, abstract; what depth costs without them: study degradation",
    ),
    "S8": Text(
        "They did: an ensemble reached 3.57 % top-5 error on the ImageNet test set and the first"
        " place of ILSVRC 2015, and detection on COCO gained 28 % relative.",
        "He et al., CVPR 2016, abstract",
    ),
    "R1": Text(
        "It is: up to 152 layers on ImageNet, with shortcuts around blocks of two or three.",
        "He et al., CVPR 2016, abstract and sec. 3",
    ),
    "I1": Text(
        "Not quite. Inception is the architecture; GoogLeNet is one incarnation of it, the network"
        " of 22 layers entered in ILSVRC 2014. Inception-v2 to v4 are other networks.",
        "Szegedy et al., CVPR 2015, abstract",
    ),
}
