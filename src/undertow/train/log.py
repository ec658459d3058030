"""What a training leaves as it goes: scalars, evaluations, the two checkpoints."""

import math
import time
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from undertow.core.codec import decode, encode
from undertow.core.errors import EnvironmentFaultError, UsageError
from undertow.core.record import Scalars
from undertow.core.run import Evaluation, Run
from undertow.data.arrays import Arrays
from undertow.data.files import told
from undertow.instrument.watch import Watch
from undertow.record.store import read_run
from undertow.train import checkpoint, state
from undertow.train.average import Average
from undertow.train.evaluation import evaluate
from undertow.train.job import Job
from undertow.train.loop import Step
from undertow.train.objective import UNEVEN, imbalance
from undertow.train.pace import Pace

SAME = 0.95  # share of the predictions that are of one class from which it is told
TOLD = round(1 / (1 - SAME))  # samples below which that share could only be all of them
STOPPED = "no longer stored"  # how the watch's note of a run folder that took no more begins
FEW = 16  # samples of a micro-batch below which batch norm is noisy: Wu & He 2018, fig. 1


class Log:
    """Counts, evaluates, saves, and goes on from what was saved."""

    def __init__(self, job: Job, watch: Watch | None) -> None:
        self.job, self.watch = job, watch
        self.step, self.skipped, self.clipped = 0, 0, 0
        self.metrics: list[Scalars] = []
        self._aux: list[float] = []
        self._moved: tuple[str, ...] = ()
        self.evaluations: list[Evaluation] = []
        self.best: Evaluation | None = None
        self.average = Average(job.net, job.choices.ema) if job.choices.ema else None
        fp16 = job.choices.precision == "fp16"
        self.scaler = torch.amp.GradScaler(job.device.type) if fp16 else None
        self.pace = Pace(job.device)
        self._failed: EnvironmentFaultError | None = None
        self._lost = 0  # checkpoints that could not be written
        self._good = True
        self._uneven = imbalance(job.train.y, job.train.classes) > UNEVEN

    def begin(self) -> None:
        """Restore what a resume needs, or write the state of step 0, so that any kill can resume.

        Raises:
            UsageError: the checkpoint cannot be read or is of another net.
        """
        if self.job.resume:
            self._restore()
        if not self.job.ranks.first:  # else all would draw the same dropout for other samples
            key = (self.job.seed + 1) * 1_000_003 + self.step
            torch.manual_seed(key * self.job.ranks.world + self.job.ranks.rank)
        if self.job.resume:
            return
        if self.job.freezing is not None:
            self._event("schedule", {"lines": list(self.job.schedule)})
        if self.watch is not None:
            self.save("last")

    def took(self, done: Step) -> None:
        """A step is over: tell the watch, keep its scalars."""
        scalars = done.scalars
        self._good = done.good
        if done.good:
            self.step = scalars.step + 1
        if scalars.skipped:
            self.skipped += 1
            self._event("skipped-step", {"step": scalars.step})
            if self.watch is not None:
                self.watch.skip(scalars.step)
        elif self.watch is not None:
            loss = done.loss if scalars.loss is None else scalars.loss
            self.watch.loss(loss, done.y, scalars)
        self._aux.append(done.aux)
        self.clipped += scalars.clipped_norm is not None
        self.pace.took(done.y.shape[0] * self.job.ranks.world)
        self.metrics.append(scalars)

    def evaluated(self) -> Evaluation:
        """The held-back results of now; `best` and `last` are written."""
        job = self.job
        self._event("pace", {"step": self.step, **encode(self.pace.told())})
        found = evaluate(job.net, job.held, job.loss_fn, self.step, job.ranks)
        if self.average is not None:
            with self.average.swapped():
                smooth = evaluate(job.net, job.held, job.loss_fn, self.step, job.ranks)
            found = _with_average(found, smooth)
        self.evaluations.append(found)
        self._event("evaluation", encode(found))
        if any(self._aux):
            mean = sum(self._aux) / len(self._aux)
            self._event("auxiliary-loss", {"step": self.step, "loss": encode(mean)})
        self._aux.clear()
        if math.isfinite(found.loss) and (self.best is None or self._better(found, self.best)):
            before, self.best = self.best, found
            self.save("best", "last")
            if self._failed is not None:  # `best` on the disk is still the one before
                self.best = before
        else:
            self.save("last")
        self.pace.again()
        return found

    def _better(self, found: Evaluation, best: Evaluation) -> bool:
        """By held-back loss; with uneven classes by the mean over classes of the share right."""
        if self._uneven and found.balanced is not None and best.balanced is not None:
            return found.balanced > best.balanced
        return found.loss < best.loss

    @property
    def enough(self) -> bool:
        """Whether `patience` evaluations in a row were no better than the best."""
        patience = self.job.choices.patience
        if not patience or self.best is None:
            return False
        since = [e for e in self.evaluations if e.step > self.best.step]
        return len(since) >= patience

    def save(self, name: str, *same: str) -> None:
        """Write a checkpoint; one that fails is an event, the old one stays, the next may work.

        Args:
            name: last or best.
            same: other names of it.
        """
        began = time.monotonic()
        if not self.job.ranks.first or not self._good:
            return
        averages = self.average.held if self.average is not None else {}
        if self.watch is not None:
            self.watch.flush()
        held = state.captured(self.job.optimizer, averages, self.scaler)
        about = {**held.about, **self._about()}
        last = self.evaluations[-1] if self.evaluations else None
        try:
            checkpoint.save(
                self.job.folder,
                name,
                self.job.net,
                self.job.plan,
                self.step,
                last,
                checkpoint.State(held.tensors, about),
            )
            for other in same:
                checkpoint.repeat(self.job.folder, name, other)
        except EnvironmentFaultError as error:
            if self._failed is None:  # once, until one is written again
                self._event("warning", {"step": self.step, "text": str(error)})
            self._failed, self._lost = error, self._lost + 1
        else:
            self._failed = None
            spent = time.monotonic() - began
            self._event("checkpoint", {"step": self.step, "name": name, "seconds": encode(spent)})

    def moved(self, names: tuple[str, ...]) -> None:
        """Frozen weights that changed all the same: only a user's own code can do that."""
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            self._moved = (f"{names[0]}{more} changed though frozen: code of the net writes to it",)

    def end(self, *, interrupted: bool) -> None:
        """Save where the last evaluation did not, so that nothing done is lost.

        Raises:
            EnvironmentFaultError: that failed; what was written before is whole.
        """
        saved = self.evaluations and self.evaluations[-1].step == self.step
        if not saved or self._failed is not None:
            self.save("last")
        for note in self.notes:
            self._event("note", {"step": self.step, "text": note})
        if self._failed is not None:
            raise self._failed

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know of how it went."""
        stored = () if self.watch is None else self.watch.notes
        said = [*self.job.notes, *self._moved, *(n for n in stored if n.startswith(STOPPED))]
        if self.clipped:
            word = "; raise the limit or lower the rate" if self.clipped == self.step else ""
            said.append(f"clipped {self.clipped} of {self.step} steps{word}")
        if self._lost:
            said.append(f"{self._lost} checkpoints could not be written; those kept are whole")
        if self.skipped:
            said.append(f"skipped {self.skipped} of {self.step} steps (fp16 overflow)")
        if self._crowded:
            said.append(
                f"batch norm sees {self.job.choices.batch} samples at a time, not the"
                f" {self.job.order.group} of a step; raise batch or use norm=group"
            )
        said += told(*(getattr(p.x, "source", None) for p in (self.job.train, self.job.held)))
        if self.pace.starved:
            said.append(
                f"up to {self.pace.starved:.0%} of the time waits for data; give --workers, or"
                " smaller images"
            )
        if self.evaluations and constant(self.evaluations[-1], self.job.held):
            said.append(
                f"constant predictor: {self.evaluations[-1].same:.0%} of the held-back samples are"
                " called one class; look at the share right of each class, not at all together"
            )
        if self.enough and self.best is not None:
            said.append(f"stopped early: no better evaluation since step {self.best.step}")
        return tuple(said)

    def run(self, *, interrupted: bool) -> Run:
        """The training as data."""
        return Run(
            self.job.folder,
            tuple(self.metrics),
            tuple(self.evaluations),
            self.best,
            interrupted,
            self.notes,
        )

    @property
    def _crowded(self) -> bool:
        choices, kinds = self.job.choices, (nn.BatchNorm1d, nn.BatchNorm2d)
        normed = any(isinstance(m, kinds) for m in self.job.net.modules())
        return choices.accumulate > 1 and choices.batch < FEW and normed

    def _event(self, kind: str, data: dict[str, Any]) -> None:
        if self.watch is not None:
            self.watch.event(kind, data)

    def _about(self) -> dict[str, Any]:
        return {
            **self.job.about,
            "epoch": self.step // self.job.epoch,
            "position": self.step % self.job.epoch,
            "world": self.job.ranks.world,
            "skipped": self.skipped,
            "clipped": self.clipped,
            "average_steps": self.average.steps if self.average is not None else 0,
            "evaluations": [encode(e) for e in self.evaluations],
            "best": encode(self.best),
            "versions": {"torch": torch.__version__},
        }

    def _restore(self) -> None:
        job = self.job
        tensors, about = checkpoint.load(job.folder)
        own = checkpoint.weights(tensors)
        _into(job.net.state_dict(), own, job.folder)
        net: Any = job.net
        if hasattr(net, "transform_input"):
            net.transform_input = bool(about.get("transform_input", False))
        state.restore_optimizer(job.optimizer, tensors, about)
        state.restore_random(tensors, about)
        if self.average is not None:
            self.average.load(state.averages(tensors), about["average_steps"])
        if self.scaler is not None and about["scaler"]:
            self.scaler.load_state_dict(about["scaler"])
        self.step, self.skipped = about["step"], about["skipped"]
        self.clipped = about["clipped"]
        self.evaluations = [decode(Evaluation, e) for e in about["evaluations"]]
        self.best = None if about["best"] is None else decode(Evaluation, about["best"])
        before = read_run(job.folder).metrics if job.ranks.first else ()
        self.metrics = [m for m in before if m.step < self.step]


def constant(found: Evaluation, held: Arrays) -> bool:
    """Whether nearly all is called one class to the harm of the others.

    Their share right is then nearer to that of a constant answer than to all; where one class
    truly is nearly all of the samples and the others are found, nothing is wrong.
    """
    if found.same is None or found.balanced is None or found.samples < TOLD:
        return False
    classes = len(held.y.unique())
    return classes > 1 and found.same > SAME and found.balanced < (1 + 1 / classes) / 2


@torch.no_grad()
def _into(own: dict[str, torch.Tensor], held: dict[str, torch.Tensor], folder: Any) -> None:
    """Copy every weight and buffer in place: layouts and ties of the net stay."""
    if set(own) != set(held) or any(own[k].shape != held[k].shape for k in own):
        raise UsageError(f"the checkpoint of {folder} is of another net; train anew")
    for key, value in own.items():
        value.copy_(held[key])


def _with_average(found: Evaluation, smooth: Evaluation) -> Evaluation:
    return replace(found, ema_loss=smooth.loss, ema_accuracy=smooth.accuracy)
