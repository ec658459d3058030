"""What one trial is taught: batches in order, the loss of each, the constant answer's, held back.

With the user's own `step(net, batch) -> loss` a batch is whatever they gave; else it is (x, y).
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from undertow.core.plan import TrainChoices
from undertow.core.run import Evaluation
from undertow.data.arrays import Arrays
from undertow.data.feed import Group, Micro
from undertow.data.split import batches
from undertow.instrument.constant import const_loss
from undertow.instrument.lossfn import Called, LossMode, leads_to
from undertow.nn.loss import criterion
from undertow.preflight.case import Step, logits
from undertow.train.evaluation import evaluate, evaluating, re_estimate
from undertow.train.heads import Forward

LOOK = 20  # batches over which norms are averaged again, and a step's labels are read
LIKE = 64  # samples on which a net's layout and its dead units are seen


def as_loss(outputs: Any, _: Any) -> Tensor:
    """The outputs themselves, where a step has made the loss already."""
    loss: Tensor = outputs
    return loss


@dataclass(frozen=True, eq=False)
class Lesson:
    """One part of the data, and how the loss of a batch of it is made."""

    data: Arrays
    choices: TrainChoices
    loss: Any = None
    step: Step | None = None

    @property
    def loss_fn(self) -> Callable[[Any, Any], Tensor]:
        """(outputs, targets) -> loss."""
        if self.step is not None:
            return as_loss
        return criterion(self.loss or self.choices.loss, self.data.y)[0]

    def run(self, net: nn.Module) -> object:
        """One pass of a net over samples of the data."""
        like = self.data.x[:LIKE]
        return net(like) if self.step is None else self.step(net, like)

    def groups(self, seed: int, steps: int) -> Iterator[Group]:
        """The batches of a seed, in order."""
        for x, y in batches(self.data, self.choices.batch, seed, steps):
            yield Group((Micro(x, y),), y)

    def forward(self, net: nn.Module, heard: Forward | None) -> Forward:
        """How a batch becomes what `loss_fn` takes."""
        if self.step is None:
            return heard or (lambda x: (logits(net(x)), {}))
        own = self.step
        return lambda batch: (own(net, batch), {})

    @torch.no_grad()
    def constant(self, net: nn.Module) -> float | None:
        """The best constant answer's loss on this part; None where it cannot be known or is ≤ 0."""
        with evaluating(net):
            if self.step is not None:
                value = self._caught(net)
            else:
                value = const_loss(self.loss_fn, logits(net(self.data.x[:2])), self.data.y)
        return value if value is not None and value > 0 else None

    def _caught(self, net: nn.Module) -> float | None:
        """The same, of the loss function the step calls, on the labels of its first batches."""
        assert self.step is not None
        found: list[tuple[Called, float]] = []
        for x, _ in batches(self.data, self.choices.batch, 0, LOOK):
            calls = list[Called]()
            with torch.enable_grad(), LossMode(calls.append):
                loss = self.step(net, x)
            if not calls or not leads_to(loss, calls[-1].result):
                return None
            whole = float(calls[-1].value)
            found.append((calls[-1], loss.item() / whole if whole else 1.0))
        first, share = found[0]
        if not all(isinstance(call.labels, Tensor) for call, _ in found):
            return None
        labels = torch.cat([call.labels.reshape(-1, *first.labels.shape[1:]) for call, _ in found])
        shape = (len(labels), *first.outputs.values.shape[1:])
        value = const_loss(first.loss, torch.empty(shape), labels)
        return None if value is None else value * share

    def evaluated(self, net: nn.Module) -> Evaluation:
        """Mean loss over all samples in eval mode."""
        if self.step is None:
            return evaluate(net, self.data, self.loss_fn)
        n, size, x = len(self.data.x), self.choices.batch, self.data.x
        with torch.no_grad(), evaluating(net):
            losses = [float(self.step(net, x[at : at + size])) for at in range(0, n, size)]
        mean = sum(losses) / len(losses) if losses else math.nan
        return Evaluation(0, mean, None, n)

    def average_norms(self, net: nn.Module, seed: int) -> None:
        """Running statistics of batch norms averaged again over some batches."""
        order = batches(self.data, self.choices.batch, seed, LOOK)
        if self.step is None:
            re_estimate(net, order)
            return
        own = self.step
        re_estimate(net, order, lambda x: own(net, x))
