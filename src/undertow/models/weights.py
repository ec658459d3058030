"""Published weights as data: address, checksum, accuracy and the preprocessing they expect.

Preprocessing travels with a file, never with a model: the second ImageNet files of a net want
another resize, and the wrong one costs accuracy without a word.
"""

from dataclasses import dataclass

from undertow.core.inputs import Inputs
from undertow.nn.entry import MEAN, STD

ADDRESS = "https://download.pytorch.org/models/"
RERUN = "https://github.com/akamaster/pytorch_resnet_cifar10/raw/master/pretrained_models/"
SHORTENED = 8  # hex digits of a SHA-256 that stand in a file's name


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How an image becomes an input: resize, centre crop, scale to 0 .. 1, subtract and divide.

    Attributes:
        crop: side of the input in pixels.
        resize: the short side before the crop, bilinear with antialias; None: images have `crop`.
        mean: of each colour.
        std: of each colour.
    """

    crop: int = 224
    resize: int | None = 256
    mean: tuple[float, float, float] = MEAN
    std: tuple[float, float, float] = STD


V1 = Preprocessing()
V2 = Preprocessing(resize=232)
LARGE = Preprocessing(crop=299, resize=342)
CIFAR = Preprocessing(crop=32, resize=None)
UNSCALED = Preprocessing(mean=(0.48235, 0.45882, 0.40784), std=(1 / 255, 1 / 255, 1 / 255))


@dataclass(frozen=True, slots=True)
class Weights:
    """A published file.

    Attributes:
        model: name of its card.
        tag: what `weights=` takes.
        file: its name, which ends in the start of its SHA-256.
        top1: accuracy in % as its publisher states it; None where there is none.
        top5: likewise.
        preprocessing: what it expects.
        address: folder it is downloaded from.
        licence: of the file.
        transform_input: whether it expects (x - .5)/.5 inside ImageNet's normalisation.
        heads: auxiliary heads it holds.
        notes: what a user should know.
        classes: names of its outputs in their order; () where we have none.
    """

    model: str
    tag: str
    file: str
    top1: float | None
    top5: float | None
    preprocessing: Preprocessing = Preprocessing()
    address: str = ADDRESS
    licence: str = "BSD-3-Clause"
    transform_input: bool = False
    heads: int = 0
    notes: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()

    @property
    def inputs(self) -> Inputs:
        """How an image becomes an input of it."""
        how = self.preprocessing
        border = 1.0 if how.resize is None else how.resize / how.crop
        return Inputs((len(how.mean), how.crop, how.crop), border, (0.0, 1.0), how.mean, how.std)

    @property
    def url(self) -> str:
        """Where it is downloaded from."""
        return self.address + self.file

    @property
    def digest(self) -> str:
        """The start of its SHA-256."""
        return self.file.rpartition("-")[2].partition(".")[0]


FIRST = {  # file without ending, top-1, top-5
    "alexnet": ("alexnet-owt-7be5be79", 56.522, 79.066),
    "vgg11": ("vgg11-8a719046", 69.020, 88.628),
    "vgg13": ("vgg13-19584684", 69.928, 89.246),
    "vgg16": ("vgg16-397923af", 71.592, 90.382),
    "vgg19": ("vgg19-dcbb9e9d", 72.376, 90.876),
    "vgg11_bn": ("vgg11_bn-6002323d", 70.370, 89.810),
    "vgg13_bn": ("vgg13_bn-abd245e5", 71.586, 90.374),
    "vgg16_bn": ("vgg16_bn-6c64b313", 73.360, 91.516),
    "vgg19_bn": ("vgg19_bn-c79401a0", 74.218, 91.842),
    "resnet18": ("resnet18-f37072fd", 69.758, 89.078),
    "resnet34": ("resnet34-b627a593", 73.314, 91.420),
    "resnet50": ("resnet50-0676ba61", 76.130, 92.862),
    "resnet101": ("resnet101-63fe2227", 77.374, 93.546),
    "resnet152": ("resnet152-394f9c45", 78.312, 94.046),
    "wide_resnet50_2": ("wide_resnet50_2-95faca4d", 78.468, None),
    "wide_resnet101_2": ("wide_resnet101_2-32ee1156", 78.848, None),
    "resnext50_32x4d": ("resnext50_32x4d-7cdf4587", 77.618, None),
    "resnext101_32x8d": ("resnext101_32x8d-8ba56ff5", 79.312, None),
}
SECOND = {
    "resnet50": ("resnet50-11ad3fa6", 80.858, 95.434),
    "resnet101": ("resnet101-cd907fc2", 81.886, 95.780),
    "resnet152": ("resnet152-f82ba261", 82.284, 96.002),
    "wide_resnet50_2": ("wide_resnet50_2-9ba9bcbe", 81.602, None),
    "wide_resnet101_2": ("wide_resnet101_2-d733dc28", 82.510, None),
    "resnext50_32x4d": ("resnext50_32x4d-1a0047aa", 81.198, None),
    "resnext101_32x8d": ("resnext101_32x8d-110c445d", 82.834, None),
    "resnext101_64x4d": ("resnext101_64x4d-173b62eb", 83.246, None),
}
SMOOTHED = (
    "trained with label smoothing and other regularisers: better when fine-tuned, worse as frozen"
    " features (Kornblith et al. 2019)",
)
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
UNTRAINED = (
    "the file's auxiliary heads were never trained (vision#821, #828): train them or leave them"
)
NAN = "its classifier is NaN on purpose: use the features (stages conv1 to conv5), not the logits"
WEIGHTS: tuple[Weights, ...] = (
    *(Weights(name, "imagenet", f"{row[0]}.pth", *row[1:], V1) for name, row in FIRST.items()),
    *(
        Weights(name, "imagenet-v2", f"{row[0]}.pth", *row[1:], V2, notes=SMOOTHED)
        for name, row in SECOND.items()
    ),
    Weights(
        "googlenet",
        "imagenet",
        "googlenet-1378be20.pth",
        69.778,
        89.530,
        V1,
        transform_input=True,
        heads=2,
        notes=(UNTRAINED,),
    ),
    Weights(
        "inception_v3",
        "imagenet",
        "inception_v3_google-0cc3c7bd.pth",
        77.294,
        93.450,
        LARGE,
        transform_input=True,
        heads=1,
    ),
    Weights(
        "vgg16",
        "imagenet-features",
        "vgg16_features-amdegroot-88682ab5.pth",
        None,
        None,
        UNSCALED,
        notes=(NAN,),
    ),
    Weights(
        "cifar_resnet20",
        "cifar10",
        "resnet20-12fca82f.th",
        91.78,
        None,
        CIFAR,
        RERUN,
        "BSD-2-Clause",
        notes=("81.03 % on the JPEG copy of the CIFAR-10 test set",),
        classes=CIFAR10,
    ),
    Weights(
        "cifar_resnet32",
        "cifar10",
        "resnet32-d509ac18.th",
        92.78,
        None,
        CIFAR,
        RERUN,
        "BSD-2-Clause",
        notes=(
            "92.78 % is best_prec1 in the file; its repository's table has 92.63",
            "82.56 % on the JPEG copy of the CIFAR-10 test set",
        ),
        classes=CIFAR10,
    ),
)


def tags(model: str) -> tuple[str, ...]:
    """The tags of a card's published files."""
    return tuple(w.tag for w in WEIGHTS if w.model == model)


def tagged(model: str, tag: str) -> Weights | None:
    """The file of a tag; None where the card has no such tag."""
    return next((w for w in WEIGHTS if (w.model, w.tag) == (model, tag)), None)


def named(file: str) -> Weights | None:
    """The published file of that name, also where a prefix was put before it; None: not ours."""
    return next((w for w in WEIGHTS if file.endswith(w.file)), None)
