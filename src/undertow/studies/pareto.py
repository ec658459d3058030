"""What each variant of ResNet costs in time and memory, and how right it is."""

from undertow.core.plan import Plan
from undertow.studies.measures import famous
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study

NETS = (
    *((f"ResNet-{n}", f"resnet{n}") for n in (18, 34, 50, 101, 152)),
    ("VGG-16", "vgg16"),
    ("VGG-19", "vgg19"),
    ("AlexNet", "alexnet"),
)
DEEPER = (
    ("ResNet-34", "ResNet-18"),
    ("ResNet-50", "ResNet-34"),
    ("ResNet-101", "ResNet-50"),
    ("ResNet-152", "ResNet-101"),
)


def _each(stat: str, margin: float) -> tuple[Expect, ...]:
    """Every step to a deeper variant adds to the statistic."""
    return tuple(Expect(more, ">", less, margin, stat) for more, less in DEEPER)


STUDY = Study(
    id="pareto",
    question="What does a deeper ResNet cost in time and memory, and what does it buy?",
    vary=tuple(Arm(label, (("net", name),)) for label, name in NETS),
    hold=Plan("resnet18"),
    data="one N(0, 1) image of 224 px; top-1 as published",
    measure=famous.bill,
    statistics=(
        Statistic("time", "CPU time of a forward pass over ResNet-18's, one image, one thread"),
        Statistic("ms", "the same in milliseconds"),
        Statistic("saved", "MiB that one image keeps for the backward pass, counted"),
        Statistic("weights", "MiB of float32 parameters, counted"),
        Statistic("top1", "per cent of ImageNet's validation images right, published"),
    ),
    says="Every step of depth costs time and memory and is a little more right; the deepest takes"
    " less time than VGG-19.",
    margins="a fifth of ResNet-18's time; 5 MiB, a quarter of what it keeps; half a point, where"
    " 50,000 images have a standard error of .2.",
    source="top-1 of torchvision's first weights, one centre crop (docs.pytorch.org/vision); none"
    " of them was measured here",
    claims=(
        Claim(
            "R8",
            (*_each("time", 0.2), *_each("saved", 5.0), *_each("top1", 0.5)),
            instead="the last steps cost most and buy least",
        ),
        Claim(
            "beside-vgg",
            (
                Expect("ResNet-152", "<", "VGG-19", 0.2, "time"),
                Expect("ResNet-152", "<", "VGG-19", 5.0, "weights"),
                Expect("ResNet-152", ">", "VGG-19", 0.5, "top1"),
                Expect("ResNet-152", "<", "VGG-19", 5.0, "saved"),
            ),
            "depends",
            "in time, weights and accuracy it does; for the backward pass it keeps more than twice"
            " as much an image: many layers, each with a batch norm that keeps its input",
            says="ResNet-152 beats VGG-19 in everything",
        ),
    ),
)
