"""A whole training: the loop under the watch, evaluations, checkpoints, an orderly end."""

import math
import time
from collections.abc import Callable
from contextlib import ExitStack

from undertow.core.errors import UndertowError
from undertow.core.record import Scalars
from undertow.core.run import Evaluation, Run
from undertow.data.feed import reading_failed
from undertow.instrument.watch import Watch
from undertow.train.cached import alone
from undertow.train.heads import heard, weight_of
from undertow.train.job import NO_LIMITS, Job, Limits
from undertow.train.log import Log
from undertow.train.loop import Forward, How, Step, penalties, rate_factor, walk
from undertow.train.objective import Objective
from undertow.train.precision import autocast
from undertow.train.stopping import Stop, at_step_end, only_writer
from undertow.train.transfer import Thaw

__all__ = ["NO_LIMITS", "Each", "Job", "Limits", "fit"]

READER = "DataLoader worker"  # how torch's message of a dead one begins
Each = Callable[[Scalars, Evaluation | None], None]


def fit(job: Job, watch: Watch | None, each: Each = lambda _s, _e: None) -> Run:
    """Train to the end, to the first number that is not finite, or to Ctrl-C.

    Evaluates and writes `last` after every epoch, and `best` where the held-back score is best.
    On Ctrl-C and SIGTERM the step is ended, the state written, and the run says `interrupted`.

    Args:
        job: what is trained; `job.resume` goes on from its checkpoint, bit for bit.
        watch: what sees it; None on ranks above 0.
        each: called after every step, with the evaluation where there was one.

    Raises:
        UsageError: the folder is in use, or holds a run that this does not resume.
        EnvironmentFaultError: the last checkpoint could not be written, or a process that reads
            samples died.
    """
    try:
        return _fit(job, watch, each)
    except RuntimeError as error:  # torch's signal handler raises it wherever the loop just is
        if isinstance(error, UndertowError) or READER not in str(error):
            raise
        raise reading_failed(error) from error


def _fit(job: Job, watch: Watch | None, each: Each) -> Run:
    with ExitStack() as held:
        if job.ranks.first:
            held.enter_context(only_writer(job.folder))
        stop = held.enter_context(at_step_end())
        log = Log(job, watch)
        if watch is not None:
            held.enter_context(watch)
        log.begin()
        try:
            interrupted = _loop(job, log, each, stop)
        except KeyboardInterrupt:  # asked twice: the last whole state on disk stays
            return log.run(interrupted=True)
        log.end(interrupted=interrupted)
    return log.run(interrupted=interrupted)


def _how(job: Job, log: Log, held: ExitStack) -> How:
    total, epoch, asks = job.total, job.epoch, job.choices.schedule == "plateau"

    def factor(step: int) -> float:
        losses = [e.loss for e in log.evaluations] if asks else ()
        return rate_factor(job.choices, step - log.skipped, total, epoch, losses)

    called, thaw = _Called(job), _thaw(job, log, held)
    forward, weight = _forward(job, held, called)
    made = job.objective or Objective(job.loss_fn)
    return How(
        made.loss_fn,
        penalties(job.choices),
        factor,
        made.mass,
        forward,
        autocast(job.choices.precision, job.device),
        log.scaler,
        aux_weight=weight,
        world=job.ranks.world,
        apart=job.ranks.apart,
        gather=job.ranks.gather,
        finished=log.average.update if log.average is not None else lambda: None,
        begin=(lambda step: _begin(step, thaw, called)) if thaw else lambda _: None,
    )


class _Called:
    """What the loop calls: the net, or its wrapper that averages gradients over ranks."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.net = job.net

    def wrap(self) -> None:
        """Wrap it (again): a wrapper knows only the parameters that train when it is made."""
        self.net = self._job.ranks.wrap(self._job.net)


def _thaw(job: Job, log: Log, held: ExitStack) -> Thaw | None:
    """The freezing as it is at the step the training begins or goes on with."""
    if job.freezing is None:
        return None
    thaw = Thaw(job.freezing, job.net, job.optimizer, job.epoch)
    held.callback(thaw.done)
    held.callback(lambda: log.moved(thaw.moved()))
    thaw.to(log.step)
    return thaw


def _begin(step: int, thaw: Thaw, called: _Called) -> None:
    if thaw.to(step):
        called.wrap()
    thaw.rate(step)


def _forward(job: Job, held: ExitStack, called: _Called) -> tuple[Forward | None, float]:
    """How the net is called, and the weight of its auxiliary losses; None: it is just called."""
    weight = weight_of(job.choices.aux_weight)
    given = held.enter_context(heard(job.net, lambda x: called.net(x), weight))
    if job.tail:
        held.enter_context(alone(job.net, job.tail))
    called.wrap()
    if given is not None:
        return given, weight
    return (None if called.net is job.net else lambda x: (called.net(x), {})), 0.0


def _loop(job: Job, log: Log, each: Each, stop: Stop) -> bool:
    """Whether it was interrupted."""
    with ExitStack() as held:
        return _steps(job, log, each, stop, _how(job, log, held))


def _steps(job: Job, log: Log, each: Each, stop: Stop, how: How) -> bool:
    began = time.monotonic()
    period, total = job.choices.evaluate_every or job.epoch, job.total
    if log.enough:  # a run that had ended early goes on: it had, and takes no step more
        return False
    feed = log.pace.timed(job.feed.groups(log.step, total))
    for done in walk(job.net, job.optimizer, feed, how, log.step):
        log.took(done)
        over = done.scalars.step + 1
        due = over % period == 0 or over == total
        found = log.evaluated() if due and _finite(done) else None
        every = job.limits.checkpoint_every
        if found is None and every and log.step % every == 0 and _finite(done):
            log.save("last")
        try:
            each(done.scalars, found)
        except KeyboardInterrupt:
            stop.asked = True
        late = _late(began, job.limits.budget_s)
        if job.ranks.any(stop.asked or late) or log.enough:
            return job.ranks.any(stop.asked)
    return False


def _finite(done: Step) -> bool:
    return done.good and math.isfinite(done.scalars.loss or 0.0)


def _late(began: float, budget_s: float | None) -> bool:
    return budget_s is not None and time.monotonic() - began >= budget_s
