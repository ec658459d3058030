"""What the classic networks are made of, counted."""

from undertow.core.plan import Plan
from undertow.studies.measures import facts
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study


def _is(what: str, value: float, margin: float = 0.0) -> Expect:
    return Expect(what, "=", value, margin)


STUDY = Study(
    id="anatomy",
    question="What are AlexNet, VGG, GoogLeNet and ResNet made of?",
    vary=tuple(Arm(name, ()) for name in facts.ANATOMY),
    hold=Plan("mlp"),
    data="none",
    measure=facts.fact,
    statistics=(Statistic("value", "counted on the built net, or a share"),),
    exact=True,
    says="The papers' shapes, with the exceptions that common descriptions leave out.",
    margins="exact integers; shares to .1 %",
    source="the tables of the four papers",
    claims=(
        Claim(
            "A2",
            (_is("AlexNet: convolutions", 5), _is("AlexNet: fully connected layers", 3)),
        ),
        Claim(
            "A3",
            (Expect("AlexNet: largest kernel", "<", 4, 0.0), _is("AlexNet: kernels of 3", 5)),
            "refuted",
            "11x11 of stride 4, then 5x5, then three of 3x3",
        ),
        Claim(
            "A4",
            (
                Expect("AlexNet: steps to more channels", ">", 0, 0.0),
                _is("AlexNet: steps to fewer channels", 0),
                Expect("AlexNet as printed: steps to more channels", ">", 0, 0.0),
                _is("AlexNet as printed: steps to fewer channels", 0),
            ),
            "depends",
            "it rises and then falls: the last convolution has fewer than the one before",
        ),
        Claim(
            "A11",
            (
                Expect("AlexNet: share of weights in fully connected layers", ">", 0.5, 0.0),
                Expect("AlexNet: share of multiply-adds in convolutions", ">", 0.5, 0.0),
            ),
            instead="left out: they hold nearly all weights, and convolutions do nearly all work",
        ),
        Claim(
            "V1",
            (
                _is("VGG-16: convolutions other than 3x3 of stride 1", 0),
                _is("VGG-16: different channel widths", 4),
            ),
        ),
        Claim(
            "V2",
            (
                _is("VGG-16: layers with weights", 16),
                _is("VGG-19: layers with weights", 19),
                Expect("VGG-11: layers with weights", ">", 15, 0.0),
                Expect("VGG-13: layers with weights", ">", 15, 0.0),
            ),
            "depends",
            "also 11 and 13, one of 11 with response norm, and a second of 16 with 1x1",
        ),
        Claim(
            "V3",
            (
                _is("VGG-16: convolutions other than 3x3 of stride 1", 0),
                _is("VGG-16 C: convolutions other than 3x3 of stride 1", 0),
            ),
            "depends",
            "all but configuration C, which has 1x1 in three places",
        ),
        Claim(
            "V7",
            (
                Expect("VGG-16: multiply-adds", ">", "VGG-11: multiply-adds", 1e9),
                Expect("VGG-19: multiply-adds", ">", "VGG-16: multiply-adds", 1e9),
            ),
        ),
        Claim(
            "R3",
            (
                Expect("ResNet-50: identity shortcuts", ">", "ResNet-50: projections", 0.0),
                _is("ResNet-50: projections", 0),
            ),
            "depends",
            "most are; where size or width changes they are projections (option B) or padded with"
            " zeros (option A)",
        ),
        Claim(
            "R7",
            (
                _is("ResNet-50: parameters", 25_557_032),
                _is("ResNet-101: parameters", 44_549_160),
                _is("ResNet-152: parameters", 60_192_808),
            ),
            instead="also 18 and 34, of basic blocks",
        ),
        Claim(
            "R8",
            (
                Expect("ResNet-50: multiply-adds", ">", "ResNet-18: multiply-adds", 1e9),
                Expect("ResNet-152: multiply-adds", ">", "ResNet-50: multiply-adds", 1e9),
                Expect("ResNet-152: multiply-adds", "<", "VGG-19: multiply-adds", 1e9),
            ),
            instead="the deepest still does less work than VGG-19; accuracy needs ImageNet and is"
            " not judged here",
            says="the variants trade depth against computation",
        ),
        Claim(
            "I2",
            (
                Expect("GoogLeNet: AlexNet's parameters over its own", ">", 9, 0.0),
                Expect("GoogLeNet: multiply-adds", "<", "VGG-11: multiply-adds", 1e9),
            ),
            instead="in weights far fewer than AlexNet; in multiply-adds twice as many",
        ),
        Claim(
            "I3",
            (
                _is("GoogLeNet: field of the 1x1 branch", 1),
                _is("GoogLeNet: field of the 3x3 branch", 3),
                _is("GoogLeNet: field of the 5x5 branch as printed", 5),
                _is("GoogLeNet: field of the pool branch", 3),
            ),
            instead="four branches: 1x1, 3x3, 5x5, and a pool with a 1x1",
        ),
        Claim("I7", (_is("GoogLeNet: channels of module 3a", 64 + 128 + 32 + 32),)),
        Claim(
            "I10",
            (
                _is("GoogLeNet: batch norms, as printed", 0),
                Expect("GoogLeNet: batch norms, published", ">", 0, 0.0),
                _is("GoogLeNet: kernel of the 5x5 branch, as printed", 5),
                _is("GoogLeNet: kernel of the 5x5 branch, published", 3),
            ),
        ),
    ),
)
