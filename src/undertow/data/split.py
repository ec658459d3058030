"""Held-back shares and batch orders, functions of a seed alone."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from undertow.core.errors import UsageError
from undertow.data.arrays import Arrays


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
        raise UsageError(f"validation={share} of {n} samples leaves a part empty; give more data")
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    return data.take(order[held:]), data.take(order[:held])


def standardised(train: Arrays, *others: Arrays) -> tuple[Arrays, ...]:
    """All parts with mean 0 and standard deviation 1 by the training part's own channels.

    Images (N, C, H, W) a channel, vectors (N, F) a feature; constant ones are only centred.
    """
    over = [0] if train.x.ndim == 2 else [d for d in range(train.x.ndim) if d != 1]
    mean = train.x.mean(over, keepdim=True)
    std = train.x.std(over, keepdim=True, correction=0)
    std = torch.where(std > 0, std, torch.ones_like(std))
    return tuple(replace(part, x=(part.x - mean) / std) for part in (train, *others))


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
