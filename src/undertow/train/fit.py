"""A whole training: the loop under the watch, evaluations, checkpoints, an orderly end."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn
from torch.optim import Optimizer

from undertow.core.codec import encode
from undertow.core.plan import Plan, TrainChoices
from undertow.core.record import Scalars
from undertow.core.run import Evaluation, Run
from undertow.data.arrays import Arrays
from undertow.data.split import batches
from undertow.instrument.watch import Watch
from undertow.nn.loss import Criterion
from undertow.train import checkpoint
from undertow.train.loop import evaluate, penalties, rate_factor, steps


@dataclass(frozen=True, eq=False)
class Job:
    """What is trained on what, how long, and where it is written."""

    net: nn.Module
    optimizer: Optimizer
    train: Arrays
    held: Arrays
    choices: TrainChoices
    loss_fn: Criterion
    folder: Path
    seed: int = 0
    plan: Plan | None = None

    @property
    def epoch(self) -> int:
        """Steps of one epoch: whole batches only, at least one."""
        return max(1, len(self.train.x) // self.choices.batch)

    @property
    def total(self) -> int:
        """Steps in all: `steps` where given, else `epochs` times an epoch."""
        return self.choices.steps or self.choices.epochs * self.epoch


Each = Callable[[Scalars, Evaluation | None], None]


def fit(job: Job, watch: Watch, each: Each = lambda _s, _e: None) -> Run:
    """Train to the end, to the first loss that is not finite, or to Ctrl-C.

    Evaluates and writes `last` after every epoch, and `best` where the held-back loss is lowest.
    On Ctrl-C the last state is written and the run says `interrupted`.
    """
    log = _Log(job, watch)
    try:
        with watch:
            _loop(job, watch, log, each)
    except KeyboardInterrupt:
        log.save("last")
        return log.run(interrupted=True)
    return log.run(interrupted=False)


def _loop(job: Job, watch: Watch, log: "_Log", each: Each) -> None:
    def factor(step: int) -> float:
        return rate_factor(job.choices, step, job.total)

    order = batches(job.train, job.choices.batch, job.seed, job.total)
    for scalars, loss, y in steps(
        job.net, job.optimizer, order, job.loss_fn, penalties(job.choices), factor
    ):
        watch.loss(loss, y)
        log.metrics.append(scalars)
        done = scalars.step + 1
        due = done % job.epoch == 0 or done == job.total
        finite = scalars.loss is not None and math.isfinite(scalars.loss)
        each(scalars, log.evaluated(done) if due and finite else None)


class _Log:
    """What a training leaves: scalars, evaluations, the two checkpoints."""

    def __init__(self, job: Job, watch: Watch) -> None:
        self.job, self.watch = job, watch
        self.metrics: list[Scalars] = []
        self.evaluations: list[Evaluation] = []
        self.best: Evaluation | None = None

    def evaluated(self, step: int) -> Evaluation:
        found = evaluate(self.job.net, self.job.held, self.job.loss_fn, step)
        self.evaluations.append(found)
        self.watch.event("evaluation", encode(found))
        if self.best is None or found.loss < self.best.loss:
            self.best = found
            self.save("best")
        self.save("last")
        return found

    def save(self, name: str) -> None:
        step = self.metrics[-1].step + 1 if self.metrics else 0
        last = self.evaluations[-1] if self.evaluations else None
        checkpoint.save(self.job.folder, name, self.job.net, self.job.plan, step, last)

    def run(self, *, interrupted: bool) -> Run:
        return Run(
            self.job.folder, tuple(self.metrics), tuple(self.evaluations), self.best, interrupted
        )
