"""Records built from numbers by hand: a plain net of 20 layers unless a case says otherwise."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from undertow.core.finding import Evidence, Experiment, Reading, Symptom
from undertow.core.plan import Edit
from undertow.core.record import (
    Column,
    InputFacts,
    Layer,
    LinePoint,
    OptimizerFacts,
    Record,
    Scalars,
    Snapshot,
)
from undertow.core.words import SYMPTOMS

CLASSES = 10
CONST = math.log(CLASSES)
SGD = OptimizerFacts("SGD", 0.1)
ADAM = OptimizerFacts("Adam", 1e-3)
STANDARD = InputFacts((64, 3, 8, 8), 1.0, 3.0, 1.2, 0, 3, None, CLASSES, CLASSES)
RAW = replace(STANDARD, rms=130.0, abs_max=255.0)
FAILS = (CONST,) * 51
LEARNS = tuple(CONST * 0.9**i for i in range(20))
FLAT_LINE = tuple(LinePoint(10.0**k, CONST * (1 - 0.01 * (k + 4))) for k in range(-3, 1))
HE = 2.0  # variance times fan_in of He's rule


def layers(
    depth: int = 20, act: str = "relu", norm: str = "", w2: float = HE, bias: float = 0.0
) -> tuple[Layer, ...]:
    """`depth` hidden layers of 64 units and a head; weights of variance w2/fan_in."""
    std = math.sqrt(w2 / 64)
    rows = [
        Layer(f"l{i}", "Linear", i, act, "hidden", norm, f"a{i}", 64, 64, 64, std, bias, 0.0)
        for i in range(depth)
    ]
    head = Layer("head", "Linear", depth, role="head", units=CLASSES, fan_in=64, fan_out=CLASSES)
    return (*rows, head)


def snapshot(step: int = 0, depth: int = 20, **columns: Sequence[float | None] | float) -> Snapshot:
    """Healthy columns for `depth` layers, those given replaced; a number fills all hidden rows."""
    plain: dict[str, Sequence[float | None] | float] = {
        "act_rms": 1.0,
        "act_max": 4.0,
        "spread": 0.5,
        "dead": 0.0,
        "saturated": 0.1,
        "grad_l2": 1.0,
        "grad_max": 0.1,
        "wgrad_l2": 1.0,
        "weight_l2": 8.0,
        "update_ratio": 1e-3,
    }
    made = []
    for stat, value in {**plain, **columns}.items():
        row = [value] * depth if isinstance(value, int | float) else list(value)
        made.append(Column(stat, tuple(row) if len(row) > depth else (*row, row[-1])))
    return Snapshot(step, tuple(made))


def falling(ratio: float, depth: int = 20) -> tuple[float, ...]:
    """Gradients × `ratio` a layer towards the input, 1 at the last hidden layer."""
    return tuple(ratio ** (depth - 1 - i) for i in range(depth))


def check(*, learns: bool | None = False, depth: int = 20, **given: Any) -> Record:
    """A pre-flight record. `learns` None: no probe steps. Columns by name, the rest as fields."""
    fields = {k: given.pop(k) for k in tuple(given) if k in Record.__dataclass_fields__}
    losses = {True: LEARNS, False: FAILS, None: ()}[learns]
    plain = {
        "optimizer": SGD,
        "layers": layers(depth),
        "const_loss": CONST,
        "first_loss": CONST,
        "loss": "cross-entropy",
        "input": STANDARD,
        "line": FLAT_LINE,
        "one_batch": losses,
        "probe_steps": 0 if learns is None else 50,
    }
    snaps = (snapshot(0, depth, **given),)
    return Record(kind="check", **{"snapshots": snaps, **plain, **fields})


def run(
    losses: Sequence[float] = (CONST,) * 100, *, depth: int = 20, first: Any = None, **given: Any
) -> Record:
    """A run with rows at 0, 20, 50 and the last step; `first` are the columns of step 0 alone."""
    fields = {k: given.pop(k) for k in tuple(given) if k in Record.__dataclass_fields__}
    end = len(losses) - 1
    steps = [0, *(s for s in (20, 50) if s < end), end] if end else [0]
    later = [snapshot(s, depth, **given) for s in steps[1:]]
    start = snapshot(0, depth, **(given if first is None else first))
    plain = {
        "optimizer": SGD,
        "layers": layers(depth),
        "const_loss": CONST,
        "first_loss": losses[0],
        "loss": "cross-entropy",
        "input": STANDARD,
        "metrics": tuple(Scalars(i, v, 0.1) for i, v in enumerate(losses)),
        "snapshots": (start, *later),
    }
    return Record(kind="run", **{**plain, **fields})


def record_with(ratio: float, *, stuck: bool) -> Record:
    """A check of a net whose gradient falls by `ratio` a layer; `stuck`: it does not learn."""
    return check(learns=not stuck, grad_l2=falling(ratio))


def static(name: str, *, gated: bool = False) -> Symptom:
    """A static symptom as the pre-flight stores it; `note` marks the gated ones."""
    said = f"{name} seen"
    return Symptom(SYMPTOMS[name], name, (), 0, (Evidence("label", "", 0, 1.0, 0.0),), said, gated)


def experiment(
    factor: str,
    outcome: str,
    *edits: tuple[str, str | float | bool],
    variant: str = "changed",
    deviates: bool = False,
) -> Experiment:
    """One counterfactual: one-batch progress 1.0 before, .4 after if it clears."""
    after = Reading("decay", 0.1, 0.4 if outcome == "clears" else 1.0)
    return Experiment(
        factor,
        variant,
        Reading("decay", 5.0, 1.0),
        after,
        outcome,
        score=0.95 if outcome == "clears" else 0.0,
        price=len(edits) or 1,
        deviates=deviates,
        edits=tuple(Edit(f, v) for f, v in edits),
    )


def line(*losses: float) -> tuple[LinePoint, ...]:
    """Losses at factors 1e-3, 1e-2, ..."""
    return tuple(LinePoint(10.0 ** (k - 3), v) for k, v in enumerate(losses))


TOO_FAST = line(CONST * 0.99, CONST * 0.9, CONST * 1.1, CONST * 3, 1e3, 1e5, 1e8)
TOO_SLOW = line(CONST, CONST, CONST, CONST * 0.999, CONST * 0.99, CONST * 0.7, 40.0)


def sparse(*losses: float, const: float | None = CONST) -> Record:
    """Losses known on the sampled steps of a start only."""
    known = dict(zip((0, 1, 2, 4, 8, 16, 32, 64, 100), losses, strict=True))
    metrics = tuple(Scalars(i, known.get(i)) for i in range(101))
    return replace(run(), metrics=metrics, const_loss=const, first_loss=losses[0])
