"""Whether the sizes of an Inception module capture features of different scales."""

from undertow.core.plan import Plan, TrainChoices
from undertow.studies.measures import convs
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study

STUDY = Study(
    id="branch-ablation",
    question="Do the branches of an Inception module capture features of different scales?",
    vary=(Arm("two modules", ()),),
    hold=Plan("conv", train=TrainChoices(lr=0.02)),
    data="digits",
    steps=264,
    measure=convs.branch_lesion,
    statistics=(
        Statistic("five_fine", "accuracy lost without the 5x5 branches, on the images"),
        Statistic("five_coarse", "the same on images blurred by a 3x3 mean"),
        Statistic("three_fine", "without the 3x3 branches, on the images"),
        Statistic("three_coarse", "the same blurred"),
        Statistic("one_fine", "without the 1x1 branches, on the images"),
        Statistic("one_coarse", "the same blurred"),
        Statistic("wide_less_narrow", "loss of 5x5 less that of 1x1, blurred less sharp"),
    ),
    says="Every branch is used; that the wide ones hold the coarse features is what is asked.",
    margins=".05 of accuracy is 18 of 360 digits.",
    source="Szegedy et al. 2015, sec. 4",
    claims=(
        Claim(
            "I4",
            (Expect("two modules", ">", 0.0, 0.05, "wide_less_narrow"),),
            instead="asked by taking a branch out: if the wide one holds the coarse features, its"
            " loss must weigh more on blurred images; on digits of 8 px it does not",
            says="on the digits, the wide branches hold the coarse features",
        ),
        Claim(
            "used",
            (
                Expect("two modules", ">", 0.0, 0.05, "five_fine"),
                Expect("two modules", ">", 0.0, 0.05, "three_fine"),
                Expect("two modules", ">", 0.0, 0.05, "one_fine"),
            ),
            says="every branch of the module is used",
        ),
    ),
)
