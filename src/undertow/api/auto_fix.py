"""`train --auto-fix`: a finding stops the training, a proven remedy is applied, and it goes on."""

import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from inspect import unwrap
from pathlib import Path
from typing import Any

from torch import nn

from undertow.api.prepare import prepared
from undertow.api.repair import Fix, proven
from undertow.api.resume import Again, resumed
from undertow.api.target import source as source_of
from undertow.api.watched import trained
from undertow.core.codec import decode, encode
from undertow.core.errors import UsageError, unknown
from undertow.core.plan import Plan
from undertow.core.record import Scalars
from undertow.core.run import Evaluation, Run
from undertow.data.arrays import Arrays
from undertow.data.split import hold_back
from undertow.experiment.pair import NET_FIELDS
from undertow.experiment.trials import Trials
from undertow.preflight import Deadline, guarded
from undertow.record.store import RunWriter, read_run
from undertow.report.report import Report
from undertow.train import checkpoint
from undertow.train.fit import Each, Job
from undertow.train.log import Log

__all__ = ["MODES", "AutoFix", "asked", "fixing", "warned"]

MODES = ("off", "ask", "on")
STEPS, SEEDS, SHARE = 200, 3, 0.2  # of the trials: steps at most, seeds, share held back
UNANSWERED = frozenset({"overfit"})  # findings no remedy of a training answers
MOST = 3  # remedies applied to one training


@dataclass(frozen=True, eq=False)
class AutoFix:
    """How findings are answered.

    Attributes:
        mode: off, ask or on.
        ask: is told what was proven and whether to apply it; of `ask`.
        tell: is told what is being done.
        budget_s: seconds a repair may take.
        data: for a training whose data were given as objects.
        again: is told that a remedy was applied, before the training goes on.
    """

    mode: str = "off"
    ask: Callable[[str], bool] = lambda _: False
    tell: Callable[[str], None] = lambda _: None
    budget_s: float = 300.0
    data: Arrays | None = None
    again: Callable[[], object] = lambda: None


def fixing(
    job: Job,
    how: AutoFix,
    each: Each = lambda _s, _e: None,
    on_finding: Callable[[Any], object] = lambda _: None,
    options: str | None = None,
) -> Run:
    """Train; at a finding stop, repair on the training data, go on with what was proven.

    The last good state is the last checkpoint for a change of the training alone in a net that has
    learned something; else step 0, as weights that learned nothing are worth nothing. The remedy
    becomes part of the plan in the checkpoint, so that a resume goes on exactly. One line of
    `events.jsonl` tells what was applied, or why nothing was.

    Raises:
        UsageError: an unknown mode, or a training over several ranks.
    """
    if how.mode not in MODES:
        raise unknown("auto-fix", how.mode, MODES)
    if how.mode == "off":
        return trained(job, each, on_finding, options)
    if how.mode == "ask" and unwrap(how.ask) is asked and not sys.stdin.isatty():
        how.tell("this is no terminal to ask at: findings are reported and nothing is changed")
        return trained(job, each, on_finding, options)
    if job.ranks.world > 1:
        raise UsageError("--auto-fix works in one process; leave it out over several ranks")
    applied: list[str] = []
    seen: set[str] = set()
    while True:
        stop = _Stop(each, on_finding, frozenset(seen))
        run = trained(job, stop.each, stop.finding, options)
        if not stop.found or len(applied) >= MOST:
            return run
        seen |= set(stop.found)
        try:
            answer = _answer(job, how, stop, applied, len(run.metrics))
        except KeyboardInterrupt:  # while it repairs or asks: the training is saved as it stopped
            return run
        if answer.plan is not None:
            how.again()
        job = _again(job, how, answer)


def asked(question: str) -> bool:
    """Whether whoever sits at the terminal says yes."""
    sys.stderr.write(f"{question}; apply it? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def warned(said: str) -> None:
    """A line on stderr."""
    sys.stderr.write(f"auto-fix: {said}\n")


class _Stop:
    """Ends a training at the end of the step in which something new was found."""

    def __init__(
        self, each: Each, on_finding: Callable[[Any], object], seen: frozenset[str]
    ) -> None:
        self._each, self._tell, self._seen = each, on_finding, seen
        self.found: tuple[str, ...] = ()
        self.report: Report | None = None

    def finding(self, report: Report) -> None:
        """A finding of the watch."""
        self._tell(report)
        names = {s.name for s in report.symptoms if not s.note} - UNANSWERED
        if names - self._seen:
            self.found, self.report = tuple(sorted(names)), report

    def each(self, scalars: Scalars, found: Evaluation | None) -> None:
        """A step; raises KeyboardInterrupt, which saves and ends the training in order."""
        self._each(scalars, found)
        if self.found:
            raise KeyboardInterrupt


@dataclass(frozen=True, eq=False)
class _Answer:
    """The plan to go on with and where from."""

    plan: Plan | None = None
    fresh: bool = False
    event: dict[str, Any] = field(default_factory=dict)


def _answer(job: Job, how: AutoFix, stop: _Stop, applied: list[str], step: int) -> _Answer:
    """What the repair says, asked where it has to be."""
    words = ", ".join(stop.found)
    how.tell(f"stopped at step {step}: {words}; looking for a remedy")
    fix = _repaired(job, how, stop.report)
    event = {"step": step, "found": list(stop.found), "verdict": fix.verdict.word}
    kept = fix.kept
    if kept is None or kept.name in applied:
        how.tell(f"no remedy was shown to help ({fix.verdict.why}); going on as before")
        return _Answer(event={**event, "remedy": None, "why": fix.verdict.why})
    question = f"{words}: {kept.name} is {fix.verdict.word} ({fix.verdict.why})"
    if how.mode == "ask" and not how.ask(question):
        return _Answer(event={**event, "remedy": None, "why": f"{kept.name} was declined"})
    applied.append(kept.name)
    fresh = any(e.field in (*NET_FIELDS, "optimizer", "standardise") for e in kept.change)
    fresh = fresh or not _learned(job)
    asked = decode(Plan, job.about["asked"])
    own = tuple(e for e in kept.change if e.field in NET_FIELDS) if fix.plan is None else ()
    rest = [e for e in kept.change if e not in own]
    plan = replace(
        asked.edit(rest),
        remedies=(*asked.remedies, kept.name),
        edits=(*asked.edits, *own),
    )
    start = 0 if fresh else checkpoint.load(job.folder)[1]["step"]
    how.tell(f"{kept.name} is applied ({fix.verdict.word}); going on from step {start}")
    told = {"remedy": kept.name, "edits": encode(kept.change), "from_step": start}
    return _Answer(plan, fresh, {**event, **told, "why": fix.verdict.why})


def _repaired(job: Job, how: AutoFix, report: Report | None) -> Fix:
    """The repair of what trains, by trials on its own training data."""
    asked = decode(Plan, job.about["asked"])
    source = source_of(asked, job.train)
    kept, held = hold_back(job.train, SHARE, job.seed)
    steps = min(STEPS, job.total)
    trials = Trials(kept, held, steps, tuple(range(SEEDS)), Deadline(how.budget_s), tell=how.tell)
    return proven(source, trials, name=asked.model, report=report)


def _learned(job: Job) -> bool:
    """Whether the last checkpoint holds a net better than the first one evaluated."""
    about = checkpoint.load(job.folder)[1]
    losses = [decode(Evaluation, e).loss for e in about.get("evaluations", ())]
    return len(losses) > 1 and losses[-1] < losses[0]


def _again(job: Job, how: AutoFix, answer: _Answer) -> Job:
    """The job that goes on: of the run's last checkpoint, with the answer's plan in it."""
    _noted(job.folder, answer.event)
    if answer.plan is not None and answer.fresh:
        _restarted(job, answer.plan)
    elif answer.plan is not None:
        _replanned(job, answer.plan)
    made = resumed(Again(job.folder, job.limits, how.data), {})
    return replace(made, limits=job.limits)


def _noted(folder: Path, event: dict[str, Any]) -> None:
    with RunWriter(folder, read_run(folder), {}, resume=True) as writer:
        writer.event("remedy", event)


def _restarted(job: Job, plan: Plan) -> None:
    """A checkpoint of step 0 of the changed plan, in place of the last one."""
    source = source_of(plan, job.train)
    data = replace(job.train, validation=job.held)
    with guarded(job.seed):
        made = prepared(source, data, plan.validation, plan.seed, job.folder, job.limits)
        about = {**made.about, **job.about, "asked": asdict(plan)}
        Log(replace(made, about=about), None).save("last")


def _replanned(job: Job, plan: Plan) -> None:
    """The last checkpoint with another plan: weights, optimiser and random states stay."""
    tensors, about = checkpoint.load(job.folder)
    changed = {"asked": asdict(plan), "plan": None if job.plan is None else asdict(plan)}
    state = checkpoint.State(tensors, {**about, **changed})
    found = about.get("evaluation")
    last = None if found is None else decode(Evaluation, found)
    checkpoint.save(job.folder, "last", nn.Module(), job.plan, about["step"], last, state)
