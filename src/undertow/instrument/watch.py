"""A user's own training loop, watched: rows on sampled steps, scalars on all, findings as found."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack

from torch import Tensor, nn
from torch.optim import Optimizer

from undertow.core.codec import rounded
from undertow.core.record import Cell, Record, Scalars, Snapshot
from undertow.instrument.accuracy import Guesses, share_right
from undertow.instrument.backlog import Backlog
from undertow.instrument.findings import Findings
from undertow.instrument.guard import Guard
from undertow.instrument.head import Head
from undertow.instrument.journal import Journal
from undertow.instrument.losses import Losses, mean, number
from undertow.instrument.options import BUDGET, Options, verify
from undertow.instrument.probe import Probe
from undertow.instrument.sampling import Sampler
from undertow.instrument.schedule import Schedule
from undertow.instrument.steps import StepHooks
from undertow.instrument.suspicion import (
    Suspicion,
    is_bad,
    is_near_verdict,
    is_verdict,
    next_looked_at,
)
from undertow.nn.loss import word_of
from undertow.record.schema import as_written


@dataclass(slots=True)
class _Step:
    """A step that is over, until its loss is known."""

    number: int
    losses: list[Tensor | float]
    lr: float | None
    grad_norm: float | None
    snapshot: Snapshot | None
    guesses: Tensor | None = None
    labels: Tensor | None = None  # of its own last batch, if they were seen


class Watch:
    """A context manager around a training loop; it measures, and changes nothing.

    Weights come out bit-identical to an unwatched run, and every hook is gone after any exit.
    Errors of our own become notes of the record; those of the user, `on_finding` included, pass.

    Args:
        net: the module that trains.
        judge: makes the judgement of a record.
        options: see `Options`.

    Raises:
        UsageError: no module, or a budget or interval that is not positive.
    """

    def __init__(
        self, net: nn.Module, *, judge: Callable[[Record], Any], **options: Unpack[Options]
    ) -> None:
        optimizer, loss, run = options.get("optimizer"), options.get("loss"), options.get("run")
        budget, every = options.get("budget", BUDGET), options.get("every")
        verify(net, budget, every)
        given = (optimizer,) if isinstance(optimizer, Optimizer) else tuple(optimizer or ())
        base = options.get("head") or Record(kind="run", source=type(net).__name__)
        start = options.get("start")
        self._guard, self._probe, self._given = Guard(), Probe(net), given
        self._losses = Losses(
            loss,
            self._guard,
            tapped=options.get("tapped", False),
            told=options.get("told", False),
            batch=self._probe.batch,
        )
        self._schedule, self._suspicion = Schedule(budget, every), Suspicion()
        self._guesses = Guesses(net)
        self._sampler = Sampler(net, self._probe, self._losses, self._schedule)
        base = replace(base, loss=base.loss or word_of(loss))
        self._head = Head(base, self._probe, self._losses, self._guard)
        self._journal = Journal(None if run is None else Path(run), self._guard.note, start)
        self._findings = Findings(judge, options.get("on_finding"), options.get("live"))
        self._steps = StepHooks(net, given, self._before, self._after)
        self._depth, self._step, self._bad = 0, start or 0, False
        self._known: Scalars | None = None
        self._own_loop = bool(given) and options.get("told", False)
        self._open: _Step | None = None
        self._backlog = Backlog()
        self._rate: Any = None  # the optimiser's own value, whose rounding is kept
        self._lr: float | None = None
        if given:
            self._head.optimizer(given[0])

    def __enter__(self) -> Self:
        self._depth += 1
        if self._depth == 1:
            self._journal.go_on()
            self._journal.open(self.record)
            if not self._own_loop:
                self._steps.attach()
            self._losses.attach()
            self._sampler.start()
            with self._guard:
                self._prepare()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._depth -= 1
        if self._depth:
            return
        self._take_off()
        with self._guard:
            self._settle()
            if self._losses.pending:  # the loss of a step that was not taken
                self._close_step(None)
            self._finish()
            self._journal.head(self._written())
        self._journal.close()
        with self._guard:
            self._findings.close()

    # What the user calls

    def loss(
        self, value: Tensor | float, labels: Any = None, scalars: Scalars | None = None
    ) -> None:
        """Tell the step's loss, before or after its optimiser step, and the labels it is of.

        Once called, it is the only source of losses; several calls a step are averaged. A loop
        that measures more itself (norms, accuracy) hands it over as `scalars`, after its step.
        """
        with self._guard:
            self._settle()
            if scalars is not None and self._own_loop and self._is_plain:
                self._pass_by(scalars, labels)
            else:
                self._known = scalars
                self._take(number(value), labels)
        self._findings.deliver()

    def skip(self, step: int) -> None:
        """A loop of ours left a step out, as a scaler of fp16 does: the next one is `step` + 1."""
        with self._guard:
            self._sampler.stop()
            self._step = step + 1
            self._prepare()

    def validation(self, loss: Tensor | float) -> None:
        """Tell the mean loss on held-back data after the steps so far, by the same criterion.

        From three of them on a growing gap to the training's loss is a finding (UT111).
        """
        with self._guard:
            self.event("evaluation", {"step": self._step, "loss": float(loss)})

    def tap(self, loss: Tensor) -> None:
        """`backward` is about to run on a loss; only for a watch with the option `tapped`."""
        self._losses.tap(loss)

    def forget(self) -> None:
        """What was tapped since the last step belongs to another net."""
        self._losses.forget()

    def abandon(self) -> None:
        """Take every hook off and write nothing more: this process is a forked child."""
        self._take_off()

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        """Add to the run folder's events; nothing without a folder."""
        self._journal.event(kind, data)

    def flush(self) -> None:
        """Hand every step so far to the run folder: a checkpoint must not be ahead of it."""
        self._journal.flush()

    def report(self) -> Any:
        """The judgement of what was seen so far; `watching` before step 100."""
        return self._findings.judge(self.record)

    @property
    def notes(self) -> list[str]:
        """Faults of our own so far, a sentence each."""
        return self._guard.notes

    @property
    def gap(self) -> int:
        """Steps between two layer rows that the budget allows by now."""
        return self._schedule.gap

    @property
    def record(self) -> Record:
        """Everything seen so far, as it would be read from the run folder."""
        self._settle()
        metrics, snapshots = self._journal.metrics, self._journal.snapshots
        if self._open is not None:
            metrics = [*metrics, self._scalars(self._open)]
            last = self._open.snapshot
            snapshots = snapshots if last is None else [*snapshots, last]
        return replace(
            self._written(),
            metrics=tuple(metrics),
            snapshots=tuple(snapshots),
            held=tuple(self._journal.held),
        )

    # What the optimisers tell

    def _before(self, optimizer: Optimizer) -> None:
        with self._guard:
            if self._step == 0:
                self._head.optimizer(optimizer)
                self._head.stepped = True
            self._read_rate(optimizer)
            self._sampler.before(optimizer)
            if self._losses.pending:
                self._losses.rest()

    def _read_rate(self, optimizer: Optimizer) -> None:
        rate = optimizer.param_groups[0]["lr"]
        if rate is not self._rate or isinstance(rate, Tensor):
            self._rate, self._lr = rate, rounded(float(rate))

    def _after(self, late: bool) -> None:
        with self._guard:
            calm = self._step < self._backlog.until
            if calm:  # nothing was told before the step
                self._read_rate(self._given[0])
            if calm and self._losses.simple and not late:
                self._step += 1
                loss = float(self._losses.pending.pop())
                if not self._backlog.take(loss, self._lr, self._step):
                    return
                self._settle()
            else:
                self._settle()
                snapshot = self._sampler.after(self._step)
                self._finish()
                self._close_step(snapshot)
            if not late and not self._own_loop:  # its own loop tells the loss first
                self._prepare()
        self._findings.deliver()

    def _settle(self) -> None:
        """Keep the steps that were put off."""
        steps = self._backlog.taken(self._step)
        if steps:
            self._losses.last_known = True
            self._sampler.passed(self._step - 1, len(steps))
        for scalars in steps:
            self._keep(scalars, None)

    def _take(self, value: Tensor | float, labels: Any) -> None:
        waiting = None if self._open is None else self._open.losses
        if self._losses.tell(value, labels, waiting=waiting) and self._open is not None:
            self._open.losses, self._open.labels = [value], self._losses.labels.taken()
            self._finish()
            self._prepare()

    @property
    def _is_plain(self) -> bool:
        """Whether the step just taken was not sampled, and none before it waits for its loss."""
        return self._open is None and not self._sampler.sampling

    def _pass_by(self, scalars: Scalars, labels: Any) -> None:
        """A step of a loop of ours that was not sampled: all there is to know is in its scalars."""
        self._step = scalars.step
        self._losses.tell(scalars.loss or 0.0, labels, waiting=[])
        self._sampler.passed(self._step)
        self._step += 1
        self._keep(as_written(scalars), None)
        self._prepare()

    def _prepare(self) -> None:
        """Put the hooks on that the step about to begin asks for."""
        self._sampler.prepare(self._step)
        if self._own_loop:
            if self._sampler.sampling:
                self._steps.attach()
            else:
                self._steps.detach()
            return
        self._guesses.prepare(self._step)
        if is_near_verdict(self._step):
            self._losses.listen()
        self._backlog.open(self._calm(), self._suspicion.bound)
        if self._step < self._backlog.until:
            self._steps.rest()
        else:
            self._steps.wake()

    def _calm(self) -> int:
        """The step before which a loss is all there is to keep, and nobody looks on; 0: none."""
        looked_at = self._journal.stored or self._findings.shown or len(self._given) != 1
        if looked_at or self._open is not None or self._sampler.sampling:
            return 0
        return min(self._schedule.next(self._step), next_looked_at(self._step))

    def _take_off(self) -> None:
        """Take every hook off."""
        self._steps.detach()
        self._losses.detach()
        self._sampler.stop()
        self._guesses.stop()

    # Steps

    def _close_step(self, snapshot: Snapshot | None) -> None:
        norm = self._probe.grad_norm if snapshot is not None else None
        losses = self._losses.taken()
        if is_near_verdict(self._step):
            self._losses.rest()
        answered = self._guesses.taken(), self._losses.labels.taken()
        self._open = _Step(self._step, losses, self._lr, norm, snapshot, *answered)
        self._step += 1
        if losses and all(isinstance(v, float) for v in losses):
            self._finish()

    def _finish(self) -> None:
        """The last step's loss is known, or will never be: keep it, and judge where it is due."""
        if self._open is None:
            return
        done, self._open = self._open, None
        scalars, self._known = self._scalars(done), None
        self._losses.last_known = bool(done.losses)
        self._keep(scalars, done.snapshot)

    def _keep(self, scalars: Scalars, snapshot: Snapshot | None) -> None:
        self._journal.add(scalars, snapshot)
        if snapshot is not None:
            self._journal.head(self._written())
            self._journal.units(scalars.step, self._probe.dead_units())
        bad = is_bad(scalars, snapshot)
        if self._suspicion.raised(scalars) or bad:
            self._schedule.suspect(scalars.step)
        self._findings.step(scalars, self._head.const_loss)
        if (bad and not self._bad) or is_verdict(scalars.step):
            self._look(scalars.step)
        self._bad = self._bad or bad

    def _look(self, step: int) -> None:
        """Judge now; a finding that was not told before becomes an event and is delivered."""
        if not (self._findings.awaited or self._journal.stored):
            return
        found = self._findings.look(self.record)
        if found is not None:
            names = [s.name for s in found.symptoms if not s.note]
            data = {"step": step, "mechanism": found.mechanism, "symptoms": names}
            self._journal.event("finding", data)

    # Data

    def _scalars(self, step: _Step) -> Scalars:
        loss, lr, known = _rounded(mean(step.losses)), step.lr, self._known
        if known is None or known.step != step.number:
            right = _rounded(share_right(step.guesses, step.labels))
            return Scalars(step.number, loss, lr, _rounded(step.grad_norm), right)
        lr = known.lr if lr is None else lr
        rest = known.grad_norm, known.accuracy, known.clipped_norm, known.skipped
        return as_written(Scalars(step.number, loss, lr, *rest, known.mixed_accuracy))

    def _written(self) -> Record:
        """The record without its series, as run.json holds it."""
        layers = self._journal.as_first_seen(self._probe.layers)
        journal = self._journal
        head = self._head.written(self._step, journal.metrics, journal.before)
        return replace(head, layers=layers)


def _rounded(value: Cell) -> Cell:
    return None if value is None else rounded(value)
