"""What the papers print, beside what their own shapes give; a figure is quoted only from its paper.

Multiply-adds and parameters of a table of many nets stand at each of them.
"""

from undertow.models.card import Printed

_VGG = {  # Simonyan & Zisserman, table 2, in millions: A, A-LRN, B, C, D, E
    "vgg11": ("133", "132.86"),
    "vgg11_lrn": ("133", "132.86"),
    "vgg13": ("133", "133.05"),
    "vgg16_c": ("134", "133.64"),
    "vgg16": ("138", "138.36"),
    "vgg19": ("144", "143.67"),
}
_RESNET = {  # He et al., table 1, in 10^9
    "resnet18": ("1.8", "1.81 (1.79 with option A)"),
    "resnet34": ("3.6", "3.66 (3.64 with option A)"),
    "resnet50": ("3.8", "3.86 as printed (variant paper), 4.09 as published"),
    "resnet101": ("7.6", "7.57 as printed (variant paper), 7.80 as published"),
    "resnet152": ("11.3", "11.28 as printed (variant paper), 11.51 as published"),
}
HE = ("He et al., CVPR 2016", 2015)
SOURCES = {  # of what is more than the 2015 paper's own nets: first letters of a card's name
    "wide": ("Zagoruyko & Komodakis, BMVC 2016", 2016),
    "resnext": ("Xie et al., CVPR 2017", 2016),
}
PRINTED: dict[str, tuple[Printed, ...]] = {
    "alexnet": (
        Printed("neurons of conv1", "253,440", "290,400 (55·55·96)", "2012, fig. 2"),
        Printed("neurons", "about 650,000", "659,272 (622,312 with the printed conv1)", "2012"),
    ),
    "googlenet": (
        Printed("weights, multiply-adds of conv1", "2.7K, 34M", "9,408, 118.0M", "table 1"),
        Printed(
            "weights of 3a to 5b, in 1024",
            "159 380 364 437 463 580 840 1072 1388",
            "159.5 379.0 366.8 438.0 497.5 590.5 847.0 1018.0 1409.0",
            "table 1",
        ),
        Printed(
            "multiply-adds of conv2, 3a to 5b and linear, M",
            "360 128 304 73 88 100 119 170 54 71 1",
            "359.7 128.0 304.3 73.6 87.9 99.9 118.5 170.0 51.1 70.7 1.02",
            "table 1",
        ),
    ),
    "inception_v3": (
        Printed("branch of Mixed_5b to 5d", "two 3x3", "one 5x5, 48 to 64 channels", "fig. 5"),
    ),
    **{k: (Printed("parameters, M", *v, "table 2"),) for k, v in _VGG.items()},
    **{k: (Printed("multiply-adds, 10^9", *v, "table 1"),) for k, v in _RESNET.items()},
}
