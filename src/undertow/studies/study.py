"""What a study is: a question, what varies, what is held, what is measured, what each claim says.

Declarative data and no torch: the engine runs it, `result.py` holds what came out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import product

from undertow.core.errors import UsageError
from undertow.core.plan import Edit, Plan

Value = str | int | float | bool | None | tuple[int, ...]
Measured = Mapping[str, "float | tuple[float, ...]"]

QUICK, FULL = tuple(range(5)), tuple(range(10))  # seeds of the two forms
PLANNED = {  # what `Plan.edit` sets; any other name is read by the measure with `cell.get`
    *("act", "norm", "init", "skip", "aux", "dropout", "depth", "width"),
    *("optimizer", "lr", "momentum", "batch", "loss", "warm_up", "schedule", "standardise"),
    *("clip_norm", "clip_value", "l1", "l2"),
}


@dataclass(frozen=True, slots=True)
class Arm:
    """One condition: its label and the values that set it apart."""

    label: str
    values: tuple[tuple[str, Value], ...]


def grid(**choices: tuple[Value, ...]) -> tuple[Arm, ...]:
    """Every combination of the choices; words label themselves, numbers with their name.

    >>> [arm.label for arm in grid(act=("relu", "tanh"), depth=(5,))]
    ['relu, depth 5', 'tanh, depth 5']
    """
    arms = []
    for values in product(*choices.values()):
        pairs = tuple(zip(choices, values, strict=True))
        arms.append(Arm(", ".join(_said(n, v) for n, v in pairs), pairs))
    return tuple(arms)


def _said(name: str, value: Value) -> str:
    return value if isinstance(value, str) else f"{name} {value}"


@dataclass(frozen=True, slots=True)
class Cell:
    """One arm with one seed: all that a measure may read, and it pickles."""

    arm: str
    plan: Plan
    given: tuple[tuple[str, Value], ...]
    data: str
    steps: int

    @property
    def seed(self) -> int:
        """Of weights, order and data."""
        return self.plan.seed

    def get(self, name: str, otherwise: Value = None) -> Value:
        """A value of the arm that is no field of a plan."""
        return dict(self.given).get(name, otherwise)

    def number(self, name: str, otherwise: float = 0.0) -> float:
        """The same as a number."""
        value = self.get(name, otherwise)
        if not isinstance(value, int | float):
            raise UsageError(f"{name}={value!r} of arm {self.arm!r} is no number")
        return float(value)


@dataclass(frozen=True, slots=True)
class Statistic:
    """A number measured in every cell.

    Attributes:
        name: key in what the measure returns.
        words: what it is, with its unit.
        cap: takes the place of a value that is not finite: such a run is an outcome, not a gap.
        log: whether a chart of it has a logarithmic axis.
    """

    name: str
    words: str
    cap: float = 0.0
    log: bool = False


@dataclass(frozen=True, slots=True)
class Expect:
    """A predicate: the statistic of arm `a` is `relation` that of arm `b`, by `margin` or more.

    Attributes:
        a: label of an arm.
        relation: ">", "<" or "=".
        b: label of an arm, or a number (theory, or the count of a paper).
        margin: the smallest difference that counts; for "=" the largest that is still none.
        stat: name of the statistic; "" is the study's first.
    """

    a: str
    relation: str
    b: str | float
    margin: float
    stat: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence to judge, and the conditions in all of which it must hold.

    Attributes:
        id: of the evidence book ("F7"); a word of our own where it is no claim of the notes.
        expect: the conditions.
        foreseen: the verdict expected before the first run.
        instead: what holds where the claim does not, in words without measured numbers.
        says: the claim; "" as the evidence book puts it.
    """

    id: str
    expect: tuple[Expect, ...]
    foreseen: str = "supported"
    instead: str = ""
    says: str = ""


@dataclass(frozen=True, slots=True)
class Study:
    """A question put to networks.

    Attributes:
        id: its name.
        question: one sentence, as a reader would ask it.
        claims: what it judges.
        vary: the arms.
        hold: the plan that every arm starts from.
        measure: (cell) -> statistics, of a module's top level so that it can be sent to a worker.
        statistics: what it returns; the first is the one charted.
        says: what we expect to see, in a sentence.
        margins: why the margins are what they are, fixed before the first run.
        data: "normal" (N(0, 1) inputs) or a data word, as "digits".
        steps: optimiser steps, where it trains.
        exact: counts and identities: no seeds, equal or not.
        source: of the theory or the paper.
        budget_s: seconds of the quick and the full form on two cores.
        on: the network of a user it is asked of, as typed; "" for a study of the book.
        identity: what else decides the numbers, where that network is not in a plan.
    """

    id: str
    question: str
    claims: tuple[Claim, ...]
    vary: tuple[Arm, ...]
    hold: Plan
    measure: Callable[[Cell], Measured]
    statistics: tuple[Statistic, ...]
    says: str
    margins: str = ""
    data: str = "normal"
    steps: int = 0
    exact: bool = False
    source: str = ""
    budget_s: tuple[float, float] = (30.0, 600.0)
    on: str = ""
    identity: str = ""

    def cell(self, arm: Arm, seed: int) -> Cell:
        """The arm's cell of a seed."""
        edits = [Edit(n, v) for n, v in arm.values if n in PLANNED and not isinstance(v, tuple)]
        given = tuple((n, v) for n, v in arm.values if n not in PLANNED)
        plan = replace(self.hold.edit(edits), seed=seed)
        return Cell(arm.label, plan, given, self.data, self.steps)

    def statistic(self, name: str) -> Statistic:
        """The statistic of a name, "" the first."""
        for one in self.statistics:
            if name in ("", one.name):
                return one
        raise UsageError(f"study {self.id} measures no {name!r}")
