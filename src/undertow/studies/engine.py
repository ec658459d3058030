"""The one engine: every arm with every seed, through the executor of the trials, to a verdict."""

import hashlib
import math
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import fmean

import torch

from undertow.core.codec import rounded
from undertow.core.errors import UsageError
from undertow.studies import verdict
from undertow.studies.claims import CLAIMS
from undertow.studies.hands import Hands
from undertow.studies.result import ArmResult, ClaimResult, Number, Result, number_of
from undertow.studies.store import Cells, key
from undertow.studies.study import FULL, QUICK, Arm, Cell, Claim, Expect, Measured, Statistic, Study

POINTS = 64  # most points of a stored profile


@dataclass(frozen=True)
class Task:
    """One cell to measure; it pickles where the study's measure does."""

    study: Study
    cell: Cell


@dataclass(frozen=True)
class Done:
    """A measured cell; `fault` is why it could not be measured."""

    cell: Cell
    values: Measured
    fault: str = ""


@dataclass(frozen=True)
class Way:
    """How a study is run.

    Attributes:
        folder: where finished cells are kept; None keeps nothing.
        workers: processes of one thread, started where they save time; 1 is this process.
        budget_s: seconds after which no further seed is begun; None: all seeds.
        done: told each finished cell.
    """

    folder: Path | None = None
    workers: int = 1
    budget_s: float | None = None
    done: Callable[[Done], None] = lambda _: None


def seeds_of(study: Study, *, full: bool = False, seeds: int | None = None) -> tuple[int, ...]:
    """The seeds of a form; one for exact studies.

    Raises:
        UsageError: fewer than one seed.
    """
    chosen = counted(full=full, seeds=seeds)
    return (0,) if study.exact else chosen


def counted(*, full: bool = False, seeds: int | None = None) -> tuple[int, ...]:
    """The seeds of the quick or the full form, or so many.

    Raises:
        UsageError: fewer than one seed.
    """
    if seeds is not None and seeds < 1:
        raise UsageError(f"seeds={seeds} runs nothing; give 1 or more, 5 for a verdict")
    return tuple(range(seeds)) if seeds is not None else FULL if full else QUICK


def run(study: Study, seeds: Sequence[int], way: Way | None = None) -> Result:
    """The study's result over the seeds; cells measured before are taken from the folder."""
    way = way or Way()
    began, clock = time.monotonic(), _spent()
    kept = Cells(way.folder, study.id)
    done: list[Done] = []
    with Hands(way.workers, len(seeds) * len(study.vary)) as hands:
        for some in _batches(seeds, way.budget_s):
            if done and way.budget_s is not None and time.monotonic() - began > way.budget_s:
                break
            done += _measured(study, some, kept, way, hands)
    return _result(study, done, _spent() - clock)


def _spent() -> float:
    """Seconds computed by this process and by its workers that ended."""
    return sum(os.times()[:4])


def _batches(seeds: Sequence[int], budget_s: float | None) -> list[Sequence[int]]:
    """All seeds at once, or one by one, so that what a budget ends is whole seeds."""
    return [seeds] if budget_s is None else [(seed,) for seed in seeds]


def _measured(
    study: Study, seeds: Sequence[int], kept: Cells, way: Way, hands: Hands
) -> list[Done]:
    """Every arm with these seeds; no worker waits for the slowest arm of a seed."""
    cells = [study.cell(arm, seed) for seed in seeds for arm in study.vary]
    names = {(cell.arm, cell.seed): key(study, cell) for cell in cells}

    def finished(done: Done) -> None:
        if not done.fault:
            kept.keep(names[done.cell.arm, done.cell.seed], done.values)
        way.done(done)

    missing = [Task(study, c) for c in cells if kept.get(names[c.arm, c.seed]) is None]
    new = {(d.cell.arm, d.cell.seed): d for d in hands.all(work, missing, _failed, finished)}
    return [
        new.get((c.arm, c.seed)) or Done(c, kept.get(names[c.arm, c.seed]) or {}) for c in cells
    ]


def work(task: Task) -> Done:
    """Measure one cell (module level, so that it can be sent to a worker)."""
    return Done(task.cell, dict(task.study.measure(task.cell)))


def _failed(task: Task, why: str) -> Done:
    return Done(task.cell, {}, why)


def _result(study: Study, done: Sequence[Done], seconds: float) -> Result:
    arms = tuple(
        _arm(study, arm, [d for d in done if d.cell.arm == arm.label]) for arm in study.vary
    )
    seeds = tuple(dict.fromkeys(d.cell.seed for d in done))
    form = "full" if len(seeds) >= len(FULL) else "quick"
    asked = "" if study.exact or seeds in (QUICK, FULL) else f" --seeds {len(seeds)}"
    return Result(
        study=study.id,
        question=study.question,
        says=study.says,
        form=form,
        seeds=seeds,
        data=study.data,
        steps=study.steps,
        exact=study.exact,
        margins=study.margins,
        source=study.source,
        statistics=study.statistics,
        arms=arms,
        claims=judged(study, arms),
        sha=sha(study),
        versions=_versions(),
        hardware=f"{platform.machine()}, {os.cpu_count()} cores, 1 torch thread a cell",
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        seconds=round(seconds, 1),
        command=_command(study, f"--{form}{asked}"),
        held=study.on or _held(study),
        on=study.on,
    )


def judged(study: Study, arms: Sequence[ArmResult]) -> tuple[ClaimResult, ...]:
    """The verdict on every claim of the study from what its arms measured."""
    by_label = {a.arm: a for a in arms}
    return tuple(_claim(study, c, by_label) for c in study.claims)


def again(study: Study, result: Result) -> Result:
    """A stored result with the words and verdicts of the study as it stands; nothing is run."""
    return replace(
        result,
        question=study.question,
        says=study.says,
        margins=study.margins,
        source=study.source,
        statistics=study.statistics,
        claims=judged(study, result.arms),
        sha=sha(study),
        held=_held(study),
    )


def _command(study: Study, form: str) -> str:
    on = f" --on {study.on} --data {study.data}" if study.on else ""
    return f"undertow study {study.id}{on} {form}"


def _held(study: Study) -> str:
    """The network that every arm starts from; facts are of nets of their own."""
    if study.exact:
        return ""
    sizes = ", ".join(f"{n} {v}" for n, v in study.hold.sizes)
    chosen = study.hold.choices
    words = [w for w in (chosen.act, chosen.init) if w]
    words += [f"{kind} {w}" for kind, w in (("norm", chosen.norm), ("skip", chosen.skip)) if w]
    return ", ".join(filter(None, (study.hold.model, sizes, *words)))


def sha(study: Study) -> str:
    """16 hex digits of what holds the study's claims and arms, or of a user's network."""
    from undertow.studies import source_of

    held = study.identity.encode() or source_of(study.id)
    return hashlib.sha256(held).hexdigest()[:16]


def _versions() -> tuple[tuple[str, str], ...]:
    return (
        ("undertow", version("undertow")),
        ("torch", torch.__version__.split("+")[0]),
        ("python", platform.python_version()),
    )


def _arm(study: Study, arm: Arm, done: Sequence[Done]) -> ArmResult:
    good = [d for d in done if not d.fault]
    numbers = tuple(
        _number(s, [d.values[s.name] for d in good])
        for s in study.statistics
        if good and all(s.name in d.values for d in good)
    )
    first = good[0].values if good else {}
    profiles = tuple((n, _thin(v)) for n, v in first.items() if isinstance(v, tuple))
    faults = tuple(f"seed {d.cell.seed}: {d.fault}" for d in done if d.fault)
    return ArmResult(arm.label, tuple(d.cell.seed for d in good), numbers, profiles, faults)


def _number(stat: Statistic, values: Sequence[float | tuple[float, ...]]) -> Number:
    found = [_finite(stat, v) for v in values if not isinstance(v, tuple)]
    return number_of(stat.name, tuple(found))


def _finite(stat: Statistic, value: float) -> float:
    if not math.isfinite(value):
        return stat.cap
    return int(value) if float(value).is_integer() else rounded(value)  # counts stay exact


def _thin(values: tuple[float, ...]) -> tuple[float, ...]:
    step = max(1, math.ceil(len(values) / POINTS))
    return tuple(rounded(v) for v in values[::step])


def _claim(study: Study, claim: Claim, arms: dict[str, ArmResult]) -> ClaimResult:
    conditions = tuple(_condition(study, e, arms) for e in claim.expect)
    found = verdict.word([c.outcome for c in conditions])
    says = claim.says or CLAIMS[claim.id]
    return ClaimResult(claim.id, says, found, claim.foreseen, claim.instead, conditions)


def _condition(study: Study, e: Expect, arms: dict[str, ArmResult]) -> verdict.Condition:
    stat = study.statistic(e.stat).name
    found = differences(arms, e, stat)
    mean = found[0] if study.exact and found else fmean(found) if found else math.nan
    low, high = (mean, mean) if study.exact else verdict.interval(found)
    out = verdict.outcome(e.relation, found, e.margin, exact=study.exact)
    return verdict.Condition(e.a, e.relation, e.b, stat, e.margin, len(found), mean, low, high, out)


def differences(arms: dict[str, ArmResult], e: Expect, stat: str) -> list[float]:
    """The differences a − b, one for every seed that both arms finished.

    Raises:
        UsageError: an arm the study does not have.
    """
    for label in (e.a, e.b):
        if isinstance(label, str) and label not in arms:
            raise UsageError(f"arm {label!r} is unknown; the study has {', '.join(arms)}")
    a = _by_seed(arms[e.a], stat)
    if not isinstance(e.b, str):
        return [v - e.b for v in a.values()]
    b = _by_seed(arms[e.b], stat)
    return [a[seed] - b[seed] for seed in a if seed in b]


def _by_seed(arm: ArmResult, stat: str) -> dict[int, float]:
    found = arm.number(stat)
    return {} if found is None else dict(zip(arm.seeds, found.values, strict=True))
