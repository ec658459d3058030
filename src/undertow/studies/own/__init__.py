"""Studies asked of a user's own network: which can be, and why the others can not.

`FORMS` lists by hand those that change one thing of a network and measure it again; every other
study of the book stands in `ELSEWHERE` with the reason.
"""

from dataclasses import dataclass

from undertow.core.errors import UsageError, unknown
from undertow.studies import NAMES
from undertow.studies.own import before, trained
from undertow.studies.own.form import Form
from undertow.studies.own.subject import Given, Subject

__all__ = ["ELSEWHERE", "FORMS", "Given", "Left", "Subject", "choose", "form"]

FORMS: dict[str, Form] = {f.id: f for f in (*before.FORMS, *trained.FORMS)}
_FORMULA = "it asks for formulas, which no network changes: undertow study {}"
_COUNTS = "it counts published networks; yours: undertow summary MODEL"
_BUILT = "it compares networks built piece by piece, which a finished one cannot be turned into"
_ACT = "it needs activations of its own making; with others in their place: study vanishing"
_TASK = "it is about a task made up for it, not about a network"
_ZOO = "it is about one published network"
ELSEWHERE = {
    "activations": _FORMULA.format("activations"),
    "anatomy": _COUNTS,
    "bottleneck": _COUNTS,
    "pareto": "it times published networks; undertow summary MODEL counts what yours costs",
    "parts": _COUNTS,
    "jacobian": "it needs square layers of known gain; the factor of yours: study vanishing",
    "zero-gamma": _BUILT,
    "exploding-cause": "undertow check MODEL tells the two causes apart on your network",
    "remedies-exploding": "undertow repair MODEL tries them on your network and proves one",
    "degradation": "it needs the same network at several depths",
    "depth-ladder": "it needs the same network at several depths",
    "zero-centred": _ACT,
    "speed-to-target": _ACT,
    "leaky-slope": _ACT,
    "symmetry": "undertow check MODEL finds equal weights (UT205)",
    "aux": "it needs a head in the middle, which a finished network has no place for",
    "residual-block": _BUILT,
    "residual-size": "it needs to know where a branch ends, which a finished network does not say",
    "shortcut-types": _BUILT,
    "preact": _BUILT,
    "pooling": _TASK,
    "small-filters": _BUILT,
    "lrn": _BUILT,
    "vgg-init": _ZOO,
    "alexnet-init": _ZOO,
    "probe": "it reads out the layers of networks it trains itself",
    "transfer": "it needs a source task with classes of its own",
    "activation-cost": "it times activations, whatever network they stand in",
    "one-by-one": _BUILT,
    "branch-ablation": _BUILT,
    "fault-suite": "it puts faults in on purpose; undertow check MODEL looks for yours",
}


@dataclass(frozen=True, slots=True)
class Left:
    """A study that was not asked, and why."""

    study: str
    why: str


def form(name: str, subject: Subject) -> Form:
    """The form of a study that can be asked of the network.

    Raises:
        UsageError: no such study, one that no network can be asked, or this one lacks what it
            needs.
    """
    if name not in NAMES:
        raise unknown("study", name, NAMES)
    if name not in FORMS:
        asked = ", ".join(FORMS)
        raise UsageError(f"study {name} is not asked of a network: {ELSEWHERE[name]}; try {asked}")
    why = FORMS[name].lacking(subject.facts)
    if why:
        raise UsageError(f"study {name} cannot be asked of {subject.name}: {why}")
    return FORMS[name]


def choose(
    subject: Subject, seeds: int, budget_s: float | None
) -> tuple[tuple[Form, ...], tuple[Left, ...]]:
    """The forms that can be asked of a network within a budget each, and why the others are not."""
    asked, left = [], []
    for name in NAMES:
        why = ELSEWHERE.get(name) or FORMS[name].lacking(subject.facts)
        why = why or _late(FORMS[name], subject, seeds, budget_s)
        if why:
            left.append(Left(name, why))
        else:
            asked.append(FORMS[name])
    return tuple(asked), tuple(left)


def _late(form: Form, subject: Subject, seeds: int, budget_s: float | None) -> str:
    """Whether its trainings would take longer than allowed."""
    takes = seeds * len(form.vary) * form.steps * subject.facts.step_s
    if budget_s is None or takes <= budget_s:
        return ""
    return (
        f"its trainings would take about {takes:.0f} s; ask it by name, or give"
        f" --budget {takes * 2:.0f}"
    )
