"""What one training is: net, data, choices, where it is written, how long it may take."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from undertow.core.finding import Symptom
from undertow.core.plan import Plan, TrainChoices
from undertow.data.arrays import Arrays
from undertow.data.feed import Feed, checked
from undertow.data.order import Order
from undertow.nn.loss import Criterion
from undertow.train.objective import Objective, sample_weights
from undertow.train.ranks import ALONE, Ranks
from undertow.train.transfer import Freezing, schedule

FEWEST = 20  # steps of a head alone that say anything


@dataclass(frozen=True)
class Limits:
    """What may change from one sitting to the next: nothing here changes a weight.

    Attributes:
        checkpoint_every: steps between checkpoints, 0 for those of evaluations alone.
        budget_s: seconds after which it stops at a step's end; None for no limit.
        workers: processes that read samples, 0 for none.
    """

    checkpoint_every: int = 0
    budget_s: float | None = None
    workers: int = 0


NO_LIMITS = Limits()


@dataclass(frozen=True, eq=False)
class Job:
    """What is trained on what, how long, and where it is written.

    Attributes:
        net: the module.
        optimizer: of its parameters.
        train: the training part.
        held: the held-back part.
        choices: how it is trained, every value resolved.
        loss_fn: (outputs, targets) -> mean loss.
        folder: of the run.
        seed: of orders, augmentation and dropout.
        plan: all of it in names and numbers; None for a net that has none.
        limits: how long, how often saved.
        ranks: the processes it is spread over.
        resume: go on from the checkpoint in the folder.
        about: what else a checkpoint says (data fingerprint, classes, preprocessing).
        objective: what is minimised; None is the mean of `loss_fn`, which evaluations report.
        freezing: what trains when and at which rate; None: everything, at one.
        tail: modules that run on their own where the data are features of the body; () for all.
        notes: what a reader should know of how it begins.
        static: findings from before the first step.
    """

    net: nn.Module
    optimizer: Optimizer
    train: Arrays
    held: Arrays
    choices: TrainChoices
    loss_fn: Criterion
    folder: Path
    seed: int = 0
    plan: Plan | None = None
    limits: Limits = NO_LIMITS
    ranks: Ranks = ALONE
    resume: bool = False
    about: Mapping[str, Any] = field(default_factory=dict)
    objective: Objective | None = None
    freezing: Freezing | None = None
    tail: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    static: tuple[Symptom, ...] = ()

    @cached_property
    def order(self) -> Order:
        """Which samples make which step."""
        sampled = self.choices.balance == "sampler"
        return Order(
            len(self.train.x),
            self.choices.batch,
            self.seed,
            self.choices.accumulate,
            self.ranks.rank,
            self.ranks.world,
            sample_weights(self.train.y, self.train.classes) if sampled else None,
        )

    @cached_property
    def feed(self) -> Feed:
        """How samples are read, augmented and mixed."""
        choices = self.choices
        return Feed(
            self.train,
            self.order,
            checked(self.train, choices.augment),
            choices.mixup,
            choices.cutmix,
            self.limits.workers,
            self.device,
            choices.channels_last,
        )

    @property
    def device(self) -> torch.device:
        """Where the net is."""
        return next((p.device for p in self.net.parameters()), torch.device("cpu"))

    @property
    def epoch(self) -> int:
        """Steps of one epoch, at least one; the last may be a short one."""
        return self.order.epoch

    @property
    def schedule(self) -> tuple[str, ...]:
        """What trains from which epoch on, in words; () where nothing is frozen."""
        if self.freezing is None:
            return ()
        return schedule(self.freezing, self.choices.lr or 0.0, -(-self.total // self.epoch))

    @property
    def head_alone(self) -> int:
        """Steps after which a head that trains alone is judged: an epoch, or 20; 0 for never."""
        epochs = 0 if self.freezing is None else self.freezing.head_alone
        period = self.total if epochs is None else min(epochs * self.epoch, self.total)
        wanted = max(self.epoch, FEWEST)
        return wanted if wanted <= period else 0

    @property
    def total(self) -> int:
        """Steps in all: `steps` where given, else `epochs` times an epoch."""
        return self.choices.steps or self.choices.epochs * self.epoch
