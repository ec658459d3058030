"""Held-back shares and batch orders, functions of a seed alone."""

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import torch
from torch import Tensor

from undertow.core.errors import UsageError
from undertow.data.arrays import Arrays
from undertow.data.pixels import Pixels, Scale

LEAST = 2  # samples of a class of which one may be held back


def hold_back(data: Arrays, share: float, seed: int) -> tuple[Arrays, Arrays]:
    """(training part, held-back part): `share` of the samples drawn by `seed`.

    Raises:
        UsageError: a share outside (0, 1), or one that leaves a part empty.
    """
    if not 0 < share < 1:
        raise UsageError(f"validation={share} is no share; give a number between 0 and 1, as 0.2")
    n = len(data.x)
    held = round(n * share)
    if held < 1 or held >= n:
        about = max(LEAST, math.floor(0.5 / min(share, 1 - share)))
        least = next(m for m in count(about) if 0 < round(m * share) < m)
        raise UsageError(
            f"validation={share} of {n} samples leaves a part empty; give at least {least} samples"
        )
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    if data.classes:
        order = order[_strata(data.y[order], held)]
    return data.take(order[held:]), data.take(order[:held])


def _strata(y: Tensor, held: int) -> Tensor:
    """An order of samples whose first `held` have every class at the share it has in all.

    Each class gives its whole quota; what is left goes to the largest fractions, and a class's
    only sample stays for training as long as others can be given.
    """
    counts = y.bincount()
    quota = counts.double() * held / len(y)
    taken = torch.minimum(quota.floor().long(), (counts - 1).clamp_min(0))
    while int(taken.sum()) < held:
        room = counts - taken
        rest = (quota - taken) - 2.0 * (room < LEAST).double() - 4.0 * (room < 1).double() * len(y)
        taken[int(rest.argmax())] += 1
    place = torch.zeros_like(y)  # of each sample among those of its class, in the order
    for label in counts.nonzero().flatten().tolist():
        mine = y == label
        place[mine] = torch.arange(int(counts[label]))
    first = place < taken[y]
    return torch.cat((first.nonzero().flatten(), (~first).nonzero().flatten()))


def standardised(train: Arrays, *others: Arrays) -> tuple[Arrays, ...]:
    """All parts with mean 0 and standard deviation 1 by the training part's own channels.

    Images (N, C, H, W) a channel, vectors (N, F) a feature; constant ones are only centred.
    """
    if isinstance(train.x, Pixels):
        scale = train.x.statistics()
        return tuple(scaled(part, scale) for part in (train, *others))
    if not isinstance(train.x, Tensor):
        return train, *others  # a user's own items are taken as they are
    over = [0] if train.x.ndim == 2 else [d for d in range(train.x.ndim) if d != 1]
    mean = train.x.mean(over, keepdim=True)
    std = train.x.std(over, keepdim=True, correction=0)
    std = torch.where(std > 0, std, torch.ones_like(std))
    scale = Scale(tuple(mean.flatten().tolist()), tuple(std.flatten().tolist()))
    return tuple(replace(p, x=(p.x[:] - mean) / std, scale=scale) for p in (train, *others))


def scaled(data: Arrays, scale: Scale) -> Arrays:
    """The data subtracted and divided by given numbers, a pair a channel (or feature).

    Args:
        data: images, or arrays (N, C, ...) or (N, F); items of a user's own are left alone.
        scale: of pixels in 0..1, or in the arrays' own unit.
    """
    if isinstance(data.x, Pixels):
        return replace(data, x=replace(data.x, scale=scale), scale=scale)
    if not isinstance(data.x, Tensor):
        return data
    shape = (1, -1, *[1] * (data.x.ndim - 2))
    mean, std = (torch.tensor(v).view(shape) for v in (scale.mean, scale.std))
    return replace(data, x=(data.x - mean) / std, scale=scale)


def batches(data: Arrays, size: int, seed: int, steps: int) -> Iterator[tuple[Tensor, Tensor]]:
    """`steps` batches of `size`; the order of each epoch is a function of (seed, epoch).

    The last part of an epoch that fills no batch is left out, unless it is all there is.
    """
    n, done, epoch = len(data.x), 0, 0
    size = min(size, n)
    while done < steps:
        g = torch.Generator().manual_seed((seed + 1) * 1_000_003 + epoch)
        order = torch.randperm(n, generator=g)
        for at in range(0, n - size + 1, size):
            if done >= steps:
                return
            pick = order[at : at + size]
            yield data.x[pick], data.y[pick]
            done += 1
        epoch += 1
