"""The sheet of one activation: its facts, what was measured live, and what the studies say."""

import math
from dataclasses import dataclass
from statistics import fmean

from undertow.core.activation import FACTS, SLOPES, ActivationFacts
from undertow.core.errors import unknown
from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.nn.threads import single_threaded
from undertow.studies.flow import INPUTS, flow, flow_plan
from undertow.studies.measures.tasks import cost
from undertow.studies.result import stored
from undertow.studies.study import Cell

CLAIMS = {  # the rows of the evidence book that speak of an activation
    "sigmoid": ("F2", "F3", "F4", "F5", "F6", "F7", "F8"),
    "tanh": ("F9", "F10", "F11", "F12", "F13"),
    "relu": ("F15", "F16", "F17", "F18", "F19", "F20"),
    "leaky-relu": ("F21", "F22", "F23", "F24"),
    "prelu": ("F23", "F24", "F25"),
    "selu": ("G20", "F20", "F25"),
    "identity": ("F1",),
}
OTHERS = ("F20", "F25")
GRID = tuple(i / 10 for i in range(-60, 61))  # of x
PRO = {"F3", "F4", "F5", "F10", "F11", "F15", "F16", "F17", "F18", "F21", "F22", "G20", "F1"}
CON = {"F6", "F7", "F8", "F12", "F13", "F19", "F20", "F23", "F24"}


@dataclass(frozen=True, slots=True)
class Judged:
    """A pro, a con or a fact as a claim: its verdict, its study, what holds instead."""

    side: str
    claim: str
    says: str
    verdict: str
    study: str
    instead: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """One activation.

    `gradient_factor` is measured: what a layer keeps of the gradient over `depth` layers of width
    256 drawn with the gain that keeps the signal; `of_conv` its time, forward and backward, over
    that of a 3x3 convolution on the same maps, on this machine and now; `curve` holds x, f(x) and
    f'(x) from -6 to 6.
    """

    name: str
    formula: str
    slope_formula: str
    range: tuple[float, float]
    zero_centred: bool
    top_slope: float
    saturates: float | None
    mean: float
    variance: float
    second: float
    slope_second: float
    gain: float
    gain_backward: float
    dead_at_start: float | None
    depth: int
    gradient_factor: float | None
    of_conv: float
    source: str
    judged: tuple[Judged, ...]
    curve: tuple[tuple[float, float, float], ...] = ()


def sheets(names: tuple[str, ...] = (), *, depth: int = 20, seeds: int = 3) -> tuple[Sheet, ...]:
    """The sheets of some activations, of all where none is named.

    Args:
        names: activation words.
        depth: layers of the measured net.
        seeds: nets whose factor is averaged.

    Raises:
        UsageError: an unknown activation.
    """
    for name in names:
        if name not in FACTS:
            raise unknown("act", name, FACTS)
    return tuple(_sheet(FACTS[n], depth, seeds) for n in names or FACTS)


def _sheet(facts: ActivationFacts, depth: int, seeds: int) -> Sheet:
    found = [_measured(facts, depth, seed) for seed in range(seeds)]
    kept = [f for f, _ in found if f is not None]
    dead = [d for _, d in found if d is not None]
    return Sheet(
        name=facts.name,
        formula=facts.formula,
        slope_formula=SLOPES[facts.name],
        range=facts.range,
        zero_centred=facts.zero_centred,
        top_slope=facts.top_slope,
        saturates=facts.saturates,
        mean=facts.mean,
        variance=facts.second - facts.mean**2,
        second=facts.second,
        slope_second=facts.slope_second,
        gain=facts.gain,
        gain_backward=facts.gain_backward,
        dead_at_start=fmean(dead) if dead else None,
        depth=depth,
        gradient_factor=fmean(kept) if kept else None,
        of_conv=_timed(facts.name),
        source=facts.source,
        judged=_judged(facts.name),
        curve=tuple((x, facts.f(x), facts.slope(x)) for x in GRID),
    )


def _measured(facts: ActivationFacts, depth: int, seed: int) -> tuple[float | None, float | None]:
    """Gradient kept at each layer, and the mean share of dead units."""
    init = f"normal:{facts.gain / math.sqrt(INPUTS):.6g}"
    choices = Choices(act=facts.name, init=init, norm="none", skip="none")
    given = flow_plan(choices, TrainChoices(lr=0.02), depth=depth, width=INPUTS, scale=1, seed=seed)
    found = flow(given)
    dead = [r.dead for r in found.rows if r.dead is not None]
    return found.gradient_factor, fmean(dead) if dead else None


def _timed(name: str) -> float:
    """Its share of a convolution's time, the median of nine rounds on one thread."""
    cell = Cell(name, Plan("mlp"), (("fn", name),), "normal", 0)
    with single_threaded():
        share = cost(cell)["of_conv"]
    assert isinstance(share, float)
    return share


def _judged(name: str) -> tuple[Judged, ...]:
    wanted = CLAIMS.get(name, OTHERS)
    found = [
        Judged(_side(c.id), c.id, c.says, c.verdict, r.study, c.instead)
        for r in stored().values()
        for c in r.claims
        if c.id in wanted
    ]
    return tuple(sorted(found, key=lambda j: wanted.index(j.claim)))


def _side(claim: str) -> str:
    return "pro" if claim in PRO else "con" if claim in CON else "fact"
