"""Evaluation on held-back data, and running statistics averaged again before it."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from undertow.core.run import Evaluation
from undertow.data.arrays import Arrays
from undertow.nn.loss import Criterion
from undertow.train.ranks import ALONE, Ranks

CHUNK = 512  # samples of one forward pass in evaluation, at most
VALUES = 2**24  # input values of one such pass: 64 MiB in fp32


def hits(out: Tensor, y: Tensor) -> int | None:
    """How many of a batch have the right class; None where targets are no class numbers."""
    if y.is_floating_point() or out.ndim < 2:
        return None
    return int((_guess(out) == y).count_nonzero())


def _hits(out: Tensor, y: Tensor) -> Tensor | None:
    if y.is_floating_point() or out.ndim < 2:
        return None
    return _guess(out) == y


def _guess(out: Tensor) -> Tensor:
    """The class of every sample, (N,): the largest logit, or the sign of a single one."""
    return out.argmax(1) if out.shape[1] > 1 else (out[:, 0] > 0).long()


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """Eval mode inside; every module's own mode is put back, so a frozen norm stays frozen."""
    modes = [(m, m.training) for m in net.modules()]
    net.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@torch.no_grad()
def evaluate(
    net: nn.Module,
    data: Arrays,
    loss_fn: Criterion,
    step: int = 0,
    ranks: Ranks = ALONE,
) -> Evaluation:
    """Mean loss and share right over all samples, in eval mode; the modes are put back.

    Over several ranks each counts its own r::world and the sums are added: no sample counts
    twice.
    """
    n, classes = len(data.x), max(1, data.classes)
    mine = torch.arange(ranks.rank, n, ranks.world)
    chunk = max(1, min(CHUNK, VALUES // max(1, data.x[:1].numel())))
    sums = torch.zeros(1 + 3 * classes, dtype=torch.float64)  # loss; by class: right, seen, said
    device = next((p.device for p in net.parameters()), torch.device("cpu"))
    with evaluating(net):
        for at in range(0, len(mine), chunk):
            pick = mine[at : at + chunk]
            x, y = data.x[pick].to(device), data.y[pick].to(device)
            out = net(x).float()
            sums[0] += loss_fn(out, y).item() * len(x)
            good = _hits(out, y) if data.classes else None
            if good is not None:
                counted = (y[good], y, _guess(out).clamp_max(classes - 1))
                parts = [labels.cpu().bincount(minlength=classes) for labels in counted]
                sums[1:] += torch.cat(parts)
    sums = ranks.gather(sums)
    hit, seen, said = sums[1:].view(3, classes)
    if not data.classes or not float(seen.sum()):
        return Evaluation(step, float(sums[0]) / n, None, n)
    recall = (hit / seen)[seen > 0]
    accuracy = float(hit.sum() / n)
    same = float(said.max() / n)
    return Evaluation(step, float(sums[0]) / n, accuracy, n, float(recall.mean()), same=same)


@torch.no_grad()
def re_estimate(
    net: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    run: Callable[[Any], object] | None = None,
) -> None:
    """Running statistics of every batch norm as exact averages over the batches given.

    After few steps the moving averages still remember their start (momentum .1), and eval mode
    understates the net. `run` makes a pass over inputs where that is more than calling the net.
    """
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
    norms = [m for m in net.modules() if isinstance(m, kinds)]
    if not norms:
        return
    kept = [m.momentum for m in norms]
    for m in norms:
        m.reset_running_stats()
        m.momentum = None  # cumulative average
    was = net.training
    net.train()
    for x, _ in batches:
        (net if run is None else run)(x)
    net.train(was)
    for m, momentum in zip(norms, kept, strict=True):
        m.momentum = momentum
