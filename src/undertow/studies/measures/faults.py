"""One fault put in at a time, and what the check before training makes of it."""

import math

from undertow.core.decay import decay
from undertow.core.derive import first
from undertow.core.learned import one_batch_progress
from undertow.diagnosis.engine import diagnose
from undertow.nn.optimizer import from_choices
from undertow.nn.threads import single_threaded
from undertow.preflight import Deadline, guarded, make_case, measure
from undertow.studies.measures import nets
from undertow.studies.study import Cell

BUDGET_S = 60.0  # far more than the 50 steps need
CAP = 46.0  # decades


def named(cell: Cell) -> dict[str, float | tuple[float, ...]]:
    """`named`: whether the check's mechanism is the arm's word; `alarm`: whether it found any."""
    x, y = nets.batch(cell)
    model = nets.net(cell, tuple(x.shape[1:]))
    case = make_case(
        model, (x, y), optimizer=lambda p: from_choices(cell.plan.train, p), seed=cell.seed
    )
    with guarded(cell.seed), single_threaded():
        record = measure(case, deadline=Deadline(BUDGET_S))
        found = diagnose(record)
    snap = first(record)
    lost = None if snap is None else decay(record.profile("grad_l2", snap))
    reached = one_batch_progress(record)
    return {
        "named": float(found.mechanism == cell.get("named")),
        "alarm": float(not found.healthy),
        "progress": math.inf if reached is None else reached,
        "decades": math.inf if lost is None else min(CAP, lost.total),
    }
