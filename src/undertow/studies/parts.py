"""What the parts of these networks do, counted."""

from undertow.core.plan import Plan
from undertow.studies.measures import facts
from undertow.studies.study import Arm, Claim, Expect, Statistic, Study

STUDY = Study(
    id="parts",
    question="What do small filters, pools, response norm and 1x1 reductions do, counted?",
    vary=tuple(Arm(name, ()) for name in facts.PARTS),
    hold=Plan("mlp"),
    data="none",
    measure=facts.fact,
    statistics=(Statistic("value", "counted, or by the support of the gradient"),),
    exact=True,
    says="Stacked 3x3 see as far as one large filter for fewer weights; a max pool sends gradient"
    " to one place a window; response norm looks across channels only.",
    margins="exact; the formula of response norm to 1e-6",
    source="Simonyan & Zisserman 2015, sec. 2.3; Krizhevsky et al. 2012, sec. 3.3; Szegedy et al."
    " 2015, table 1",
    claims=(
        Claim(
            "A9",
            (
                Expect("largest |LRN - formula|", "<", 1e-6, 0.0),
                Expect("positions beside its own that LRN sees", "=", 0, 0.0),
            ),
            instead="across channels at the same position; torch divides α by the window, the paper"
            " does not",
        ),
        Claim(
            "I5",
            (
                Expect(
                    "module 3a: multiply-adds",
                    "<",
                    "module 3a without reductions: multiply-adds",
                    1e6,
                ),
                Expect(
                    "module 3a: multiply-adds", "=", "module 3a by the formula: multiply-adds", 0.0
                ),
            ),
            instead="they reduce channels, not the map; without them the output would be wider as"
            " well, and wider with every module",
        ),
        Claim(
            "stack",
            (
                Expect("field of two 3x3", "=", "field of one 5x5", 0.0),
                Expect("field of three 3x3", "=", "field of one 7x7", 0.0),
                Expect(
                    "weights a channel pair, two 3x3", "<", "weights a channel pair, one 5x5", 0.0
                ),
            ),
            says="two 3x3 see what one 5x5 sees, three what one 7x7 sees, with fewer weights",
        ),
        Claim(
            "pool",
            (Expect("share of inputs with gradient, max pool 2/2", "=", 0.25, 0.0),),
            says="a 2/2 max pool sends the gradient to a quarter of its inputs",
        ),
    ),
)
