"""A user's own training loop, watched: rows on sampled steps, scalars on all, findings as found."""

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any, Self, Unpack

from torch import Tensor, nn
from torch.optim import Optimizer

from undertow.core.record import Record, Scalars, Snapshot
from undertow.instrument.calls import is_compiled
from undertow.instrument.journal import Journal
from undertow.instrument.losses import Losses, mean, number
from undertow.instrument.options import BUDGET, Options, verify
from undertow.instrument.probe import MAX_NOTES, Probe
from undertow.instrument.scaler import loss_scale_now, skips
from undertow.instrument.schedule import Schedule
from undertow.instrument.steps import StepHooks
from undertow.instrument.twin import Twin
from undertow.nn.loss import word_of
from undertow.nn.optimizer import facts
from undertow.record.schema import as_written

VERDICT = 100  # step of the first judgement; the next ones at 200, 400, 800, ...
JUMP, BEFORE = 3.0, 20  # a loss this many times the median of the last 20 is suspicious,
FLOOR = 0.1  # if it also rose by this share of the first loss: near 0 a loss jumps by chance
TREND = "progress judged by trend"
UNSEEN = "layers not measured: no call of the net was seen; watch the module that training calls"


@dataclass
class _Step:
    """A step that is over, until its loss is known."""

    number: int
    losses: list[Tensor | float]
    lr: float | None
    grad_norm: float | None
    snapshot: Snapshot | None


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
        self.notes: list[str] = []
        self._guard = _Safe(self._note)
        self._base = options.get("head") or Record(kind="run", source=type(net).__name__)
        self._base = replace(self._base, loss=self._base.loss or word_of(loss))
        self._net, self._probe = net, Probe(net)
        self._whole, self._twin = True, Twin(net, self._probe)
        start = options.get("start")
        self._journal = Journal(None if run is None else Path(run), self._note, start)
        self._schedule = Schedule(budget, every)
        on_cpu = all(p.device.type == "cpu" for p in net.parameters())
        self._clock = time.process_time if on_cpu else time.perf_counter
        self._steps = StepHooks(net, given, self._before, self._after)
        self._losses = Losses(
            loss,
            self._safe,
            tapped=options.get("tapped", False),
            told=options.get("told", False),
            batch=self._probe.batch,
        )
        self._judge, self._on_finding = judge, options.get("on_finding")
        self._depth, self._step, self._sampling = 0, start or 0, False
        self._known: Scalars | None = None
        self._open: _Step | None = None
        self._lr: float | None = None
        self._mark, self._own = 0.0, 0.0
        self._scale, self._skipped = 1.0, False
        self._recent: deque[float] = deque(maxlen=BEFORE)
        self._told: tuple[str, ...] = ()
        self._bad = False
        self._due: list[Any] = []
        if given:
            self._set_optimizer(given[0])

    def __enter__(self) -> Self:
        self._depth += 1
        if self._depth == 1:
            self._journal.open(self.record)
            self._steps.attach()
            self._losses.attach()
            self._mark = self._clock()
            with self._safe():
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
        self._steps.detach()
        self._losses.detach()
        self._stop_sampling()
        with self._safe():
            if self._losses.pending:  # the loss of a step that was not taken
                self._close_step(None)
            self._finish()
            self._journal.head(self._written())
        self._journal.close()

    # What the user calls

    def loss(
        self, value: Tensor | float, labels: Any = None, scalars: Scalars | None = None
    ) -> None:
        """Tell the step's loss, before or after its optimiser step, and the labels it is of.

        Once called, it is the only source of losses; several calls a step are averaged. A loop
        that measures more itself (norms, accuracy) hands it over as `scalars`, after its step.
        """
        self._known = scalars
        with self._safe():
            self._take(number(value), labels)
        self._deliver()

    def tap(self, loss: Tensor) -> None:
        """`backward` is about to run on a loss; only for a watch with the option `tapped`."""
        self._losses.tap(loss)

    def forget(self) -> None:
        """What was tapped since the last step belongs to another net."""
        self._losses.forget()

    def abandon(self) -> None:
        """Take every hook off and write nothing more: this process is a forked child."""
        self._steps.detach()
        self._losses.detach()
        self._stop_sampling()

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        """Add to the run folder's events; nothing without a folder."""
        self._journal.event(kind, data)

    def flush(self) -> None:
        """Hand every step so far to the run folder: a checkpoint must not be ahead of it."""
        self._journal.flush()

    def report(self) -> Any:
        """The judgement of what was seen so far; `watching` before step 100."""
        return self._judge(self.record)

    @property
    def gap(self) -> int:
        """Steps between two layer rows that the budget allows by now."""
        return self._schedule.gap

    @property
    def record(self) -> Record:
        """Everything seen so far, as it would be read from the run folder."""
        metrics, snapshots = self._journal.metrics, self._journal.snapshots
        if self._open is not None:
            metrics = [*metrics, self._scalars(self._open)]
            last = self._open.snapshot
            snapshots = snapshots if last is None else [*snapshots, last]
        return replace(self._written(), metrics=tuple(metrics), snapshots=tuple(snapshots))

    # What the optimisers tell

    def _before(self, optimizer: Optimizer) -> None:
        with self._safe():
            if self._step == 0:
                self._set_optimizer(optimizer)
            rate = optimizer.param_groups[0]["lr"]
            self._lr = rate.item() if isinstance(rate, Tensor) else float(rate)
            if self._sampling:
                began = self._clock()
                self._scale, self._skipped = loss_scale_now(), skips(optimizer)
                if not self._whole:
                    self._twin.measure()
                elif self._probe.measured:  # else the passes come inside `step(closure)`
                    self._stop_hooks()
                self._probe.before_update()
                self._own += self._clock() - began

    def _after(self, late: bool) -> None:
        began = self._clock()
        with self._safe():
            snapshot = self._read()
            if snapshot is not None:
                self._schedule.sampled(self._step, self._own + self._clock() - began)
            self._schedule.took(self._step, began - self._mark)
            self._mark, self._own = began, 0.0
            self._finish()
            self._close_step(snapshot)
            if not late:
                self._prepare()
        self._deliver()

    def _prepare(self) -> None:
        """Put the hooks on where the step about to begin is to be sampled."""
        if self._sampling or not self._schedule.due(self._step):
            return
        began = self._clock()
        self._sampling, self._whole = True, not is_compiled(self._net)
        if self._whole:
            self._probe.attach()
        else:
            self._twin.attach()
        self._losses.listen()
        self._own += self._clock() - began

    def _read(self) -> Snapshot | None:
        """End the sampling of a step; its row of numbers, if a layer was called in it."""
        if not self._sampling:
            return None
        self._stop_sampling()
        if not self._probe.measured or self._skipped:
            return None
        return self._probe.read(self._step, scale=self._scale)

    def _stop_hooks(self) -> None:
        self._probe.detach()
        self._twin.detach()
        self._losses.rest()

    def _stop_sampling(self) -> None:
        self._stop_hooks()
        self._sampling = False

    def _take(self, value: Tensor | float, labels: Any) -> None:
        waiting = None if self._open is None else self._open.losses
        if self._losses.tell(value, labels, waiting=waiting) and self._open is not None:
            self._open.losses = [value]
            self._finish()
            self._prepare()

    # Steps

    def _close_step(self, snapshot: Snapshot | None) -> None:
        norm = self._probe.grad_norm if snapshot is not None else None
        losses = self._losses.taken()
        self._open = _Step(self._step, losses, self._lr, norm, snapshot)
        self._step += 1
        if losses and all(isinstance(v, float) for v in losses):
            self._finish()

    def _finish(self) -> None:
        """The last step's loss is known, or will never be: keep it, and judge where it is due."""
        if self._open is None:
            return
        done, self._open = self._open, None
        scalars = self._scalars(done)
        self._losses.last_known = bool(done.losses)
        self._journal.add(scalars, done.snapshot)
        if done.snapshot is not None:
            self._journal.head(self._written())
            self._journal.units(done.number, self._probe.dead_units())
        bad = _is_bad(scalars, done.snapshot)
        if bad or self._jumped(scalars.loss):
            self._schedule.suspect(done.number)
        if (bad and not self._bad) or _is_verdict(done.number):
            self._look(done.number)
        self._bad = self._bad or bad

    def _jumped(self, loss: float | None) -> bool:
        if loss is None or not math.isfinite(loss):
            return False
        usual = median(self._recent) if len(self._recent) == BEFORE else math.inf
        self._recent.append(loss)
        first = self._journal.metrics[0].loss or 0.0
        return loss > JUMP * usual and loss - usual > FLOOR * abs(first)

    def _look(self, step: int) -> None:
        """Judge now; a finding that was not told before becomes an event and is delivered."""
        if self._on_finding is None and not self._journal.stored:
            return
        found = self._judge(self.record)
        names = tuple(s.name for s in found.symptoms if not s.note)
        if names and names != self._told:
            self._told = names
            data = {"step": step, "mechanism": found.mechanism, "symptoms": list(names)}
            self._journal.event("finding", data)
            self._due.append(found)

    def _deliver(self) -> None:
        """Call `on_finding`, outside all nets: what it raises is the user's and passes."""
        while self._due:
            found = self._due.pop(0)
            if self._on_finding is not None:
                self._on_finding(found)

    # Data

    def _scalars(self, step: _Step) -> Scalars:
        found = Scalars(step.number, mean(step.losses), step.lr, step.grad_norm)
        known, self._known = self._known, None
        if known is not None and known.step == step.number:
            lr = known.lr if found.lr is None else found.lr
            found = replace(known, loss=found.loss, lr=lr)
        return as_written(found)

    def _written(self) -> Record:
        """The record without its series, as run.json holds it."""
        origin = self._probe.origin
        came = () if origin is None else (("origin", " ".join(map(str, origin))),)
        constant = self._base.const_loss
        if constant is None:
            with self._safe():
                constant = self._losses.labels.constant(self._probe.output_shape)
        first, batch = self._base.first_loss, self._probe.batch
        if first is None and self._journal.metrics:
            first = self._journal.metrics[0].loss
        head = replace(
            self._base,
            const_loss=constant,
            first_loss=first,
            loss=self._base.loss or self._losses.labels.word,
            input=batch.facts(self._losses.labels.first, self._probe.output_shape),
            static=(*self._base.static, *batch.static),
            notes=(*self._base.notes, *self._said(constant)),
            facts=(*self._base.facts, *came),
        )
        layers = self._journal.as_first_seen(self._probe.layers)
        return replace(as_written(head), layers=layers)

    def _said(self, constant: float | None) -> tuple[str, ...]:
        said = [*self.notes, *self._probe.notes]
        if self._step > 1 and not self._probe.layers:
            said.append(UNSEEN)
        if constant is None and self._step:
            why = "no labels seen" if self._losses.seen else "no loss seen"
            said.append(f"{TREND}: {why}; give loss= or call w.loss(value, labels)")
        return tuple(said)

    def _set_optimizer(self, optimizer: Optimizer) -> None:
        if not self._base.optimizer.name:
            self._base = replace(self._base, optimizer=facts(optimizer))

    def _note(self, note: str) -> None:
        if note not in self.notes and len(self.notes) < MAX_NOTES:
            self.notes.append(note)

    def _safe(self) -> "_Safe":
        """Whatever fails inside is ours: a note, never the end of the user's training."""
        return self._guard


class _Safe:
    """A context in which an error becomes a note; made once, as it is entered at every step."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        self._note(f"watch: {type(error).__name__}: {error}")
        return True


def _is_bad(scalars: Scalars, snapshot: Snapshot | None) -> bool:
    counts = () if snapshot is None else snapshot.column("nonfinite")
    lost = scalars.loss is not None and not math.isfinite(scalars.loss)
    return lost or any(c for c in counts if c is not None)


def _is_verdict(step: int) -> bool:
    """Steps 100, 200, 400, 800, ..."""
    times, rest = divmod(step, VERDICT)
    return rest == 0 and times > 0 and times & (times - 1) == 0
