"""A study that costs nothing: its measure adds seeded noise to a number of the arm."""

import random
from dataclasses import replace

from undertow.core.plan import Plan
from undertow.studies.study import Arm, Cell, Claim, Expect, Statistic, Study


def noisy(cell: Cell) -> dict[str, float | tuple[float, ...]]:
    """`value`: the arm's level and noise of its seed; `bad` arms raise or are not finite."""
    if cell.get("bad") == "raises":
        raise RuntimeError("this cell fails")
    if cell.get("bad") == "inf":
        return {"value": float("inf"), "curve": (1.0, float("nan"))}
    noise = random.Random(f"{cell.arm}/{cell.seed}").gauss(0, cell.number("noise", 0.1))
    return {"value": cell.number("level") + noise, "curve": (1.0, 2.0, 3.0)}


LOW, HIGH, SAME = (
    Arm("low", (("level", 1.0),)),
    Arm("high", (("level", 2.0),)),
    Arm("same", (("level", 1.0),)),
)
TOY = Study(
    id="toy",
    question="Is high higher than low?",
    claims=(
        Claim("F1", (Expect("high", ">", "low", 0.5),)),
        Claim("turned", (Expect("low", ">", "high", 0.5),), "refuted", says="low is higher"),
        Claim(
            "mixed",
            (Expect("high", ">", "low", 0.5), Expect("same", ">", "low", 0.5)),
            "depends",
            says="all are higher than low",
        ),
        Claim("none", (Expect("same", "=", "low", 0.5),), says="same and low are the same"),
    ),
    vary=(LOW, HIGH, SAME),
    hold=Plan("mlp"),
    measure=noisy,
    statistics=(Statistic("value", "level and noise", cap=9.0),),
    says="It is.",
    margins="half the difference that was put in",
)


def with_arm(arm: Arm) -> Study:
    """The toy with one arm more."""
    return replace(TOY, vary=(*TOY.vary, arm))
