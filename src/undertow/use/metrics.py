"""Outputs and labels counted batch by batch: nothing is a mean of means over batches."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from undertow.core.scores import Bin, Binary, Confusion
from undertow.nn.loss import Criterion

BINS = 15  # of equal width: Guo et al. 2017, sec. 2
TOP = 5
WORST = 20  # samples of highest loss that are kept


@dataclass(frozen=True, slots=True)
class Worst:
    """A sample of high loss, classes as numbers."""

    index: int
    label: int
    guess: int
    loss: float
    probability: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Counted:
    """All that was counted over a data set; of targets that are no classes only n and the loss."""

    n: int
    loss: float
    confusion: Confusion = ()
    top5: int | None = None
    bins: tuple[Bin, ...] = ()
    binary: Binary | None = None
    worst: tuple[Worst, ...] = ()
    bad: int = 0


@dataclass(eq=False)
class Tally:
    """Counts over batches.

    Attributes:
        classes: of the outputs; 0 where targets are no class numbers. One unit has two.
        loss_fn: (outputs, targets) -> mean loss.
        word: of the loss; `bce` makes probabilities by sigmoid, any other by softmax.
    """

    classes: int
    loss_fn: Criterion
    word: str
    n: int = 0
    top5: int = 0
    bad: int = 0
    _loss: float = 0.0
    _cells: Tensor = field(init=False)
    _bins: Tensor = field(init=False)
    _worst: list[Worst] = field(default_factory=list)
    _scores: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._cells = torch.zeros(self.classes, self.classes, dtype=torch.int64)
        self._bins = torch.zeros(3, BINS, dtype=torch.float64)  # n, Σ confidence, true

    def add(self, outputs: Tensor, targets: Tensor, index: Sequence[int]) -> None:
        """Count a batch.

        Args:
            outputs: logits (N, classes), or (N, 1) of one unit; any shape for other targets.
            targets: classes (N,), or what the loss takes.
            index: places of the samples in their data set.
        """
        out = outputs.detach().double().cpu()
        y = targets.detach().cpu()
        self.n += len(out)
        self.bad += int((~torch.isfinite(out.flatten(1))).any(1).sum())
        if not self.classes:
            self._loss += float(self.loss_fn(out.float(), y)) * len(out)
            return
        each = losses(out, y, self.word)
        whole = self.loss_fn(out.float(), y) * len(out) if each is None else each.sum()
        self._loss += float(whole)
        self._count(out, y)
        if each is not None:
            self._keep(out, y, each, index)

    def _count(self, out: Tensor, y: Tensor) -> None:
        chances = probabilities(out, self.word)
        guess = chances.argmax(1)
        pairs = (y * self.classes + guess).bincount(minlength=self.classes**2)
        self._cells += pairs.view(self.classes, self.classes)
        if out.shape[1] == 1:
            self._scores.append((chances[:, 1], y))
            self._calibrate(chances[:, 1], y == 1)
            return
        own = out.gather(1, y.unsqueeze(1))
        above = (out > own).sum(1) + out.isnan().any(1) * TOP
        self.top5 += int((above < TOP).sum())
        self._calibrate(chances.amax(1), guess == y)

    def _calibrate(self, chances: Tensor, good: Tensor) -> None:
        sure = chances.nan_to_num(0.0)
        at = ((sure * BINS).ceil().long() - 1).clamp(0, BINS - 1)
        rows = torch.stack((torch.ones_like(sure), sure, good.double()))
        self._bins.index_add_(1, at, rows)

    def _keep(self, out: Tensor, y: Tensor, each: Tensor, index: Sequence[int]) -> None:
        chances = probabilities(out, self.word)
        guesses = chances.argmax(1).tolist()
        for i in each.nan_to_num(math.inf).topk(min(WORST, len(each))).indices.tolist():
            label, guess = int(y[i]), guesses[i]
            own, sure = float(chances[i, label]), float(chances[i, guess])
            self._worst.append(Worst(int(index[i]), label, guess, float(each[i]), own, sure))
        self._worst.sort(key=_worse_first)
        del self._worst[WORST:]

    def counted(self) -> Counted:
        """The result so far; n is at least 1."""
        loss = self._loss / max(1, self.n)
        if not self.classes:
            return Counted(self.n, loss, bad=self.bad)
        return Counted(
            self.n,
            loss,
            tuple(tuple(row) for row in self._cells.tolist()),
            self.top5 if self.classes > TOP else None,
            tuple(_bin(i, *column) for i, column in enumerate(self._bins.T.tolist())),
            self._binary(),
            tuple(self._worst),
            self.bad,
        )

    def _binary(self) -> Binary | None:
        if not self._scores:
            return None
        scores, y = (torch.cat(parts) for parts in zip(*self._scores, strict=True))
        brier = float((scores - y).square().mean())
        return Binary(roc_area(scores, y), pr_area(scores, y), brier)


def probabilities(logits: Tensor, word: str) -> Tensor:
    """Of every class, (N, C): softmax, or sigmoid for `bce`; one unit gives (1 − p, p)."""
    if logits.shape[1] == 1:
        return torch.cat((torch.sigmoid(-logits), torch.sigmoid(logits)), 1)
    return torch.sigmoid(logits) if word == "bce" else logits.softmax(1)


def losses(logits: Tensor, y: Tensor, word: str) -> Tensor | None:
    """The loss of every sample, (N,), of `cross-entropy` and `bce`; None for another word.

    `bce` is that of one unit, or the mean over one logit a class.
    """
    if word == "cross-entropy":
        return F.cross_entropy(logits, y, reduction="none")
    if word != "bce":
        return None
    wanted = F.one_hot(y, logits.shape[1]) if logits.shape[1] > 1 else y.unsqueeze(1)
    each = F.binary_cross_entropy_with_logits(logits, wanted.to(logits.dtype), reduction="none")
    return each.mean(1)


def roc_area(scores: Tensor, y: Tensor) -> float | None:
    """Area under the ROC curve as the rank statistic of Mann and Whitney, ties counting half.

    Args:
        scores: of class 1, (N,).
        y: 0 or 1, (N,).
    """
    ones, zeros = int((y == 1).sum()), int((y == 0).sum())
    if not ones or not zeros or not bool(torch.isfinite(scores).all()):
        return None
    _, place, counts = scores.unique(return_inverse=True, return_counts=True)
    ranks = (counts.cumsum(0).double() - (counts.double() - 1) / 2)[place]  # from 1, ties shared
    return float((ranks[y == 1].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def pr_area(scores: Tensor, y: Tensor) -> float | None:
    """Average precision: precision at every threshold, weighted by the recall it adds.

    Args:
        scores: of class 1, (N,).
        y: 0 or 1, (N,).
    """
    ones = int((y == 1).sum())
    if not ones or ones == len(y) or not bool(torch.isfinite(scores).all()):
        return None
    levels, place = (-scores).unique(return_inverse=True)  # highest score first
    seen = place.bincount(minlength=len(levels)).cumsum(0).double()
    right = place[y == 1].bincount(minlength=len(levels)).double()
    return float((right.cumsum(0) / seen * right).sum() / ones)


def _bin(at: int, n: float, confidence: float, right: float) -> Bin:
    mean = confidence / n if n else 0.0
    return Bin(at / BINS, (at + 1) / BINS, int(n), mean, int(right))


def _worse_first(found: Worst) -> tuple[float, int]:
    return (-math.inf if math.isnan(found.loss) else -found.loss), found.index
