"""How many torch threads a piece of work gets: small nets are faster, and bit-equal, on one."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

SMALL = 1_000_000  # parameters; below this the threads of one step cost more than they save
FEW = 100_000  # input values of one batch, likewise


@contextmanager
def single_threaded(on: bool = True) -> Iterator[None]:
    """One torch thread inside where `on`, so that results are bit-equal on any number of cores."""
    before = torch.get_num_threads()
    if on:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def small(net: nn.Module, values: int) -> bool:
    """Whether a net on a batch of so many input values is better off on one thread."""
    return values < FEW and sum(p.numel() for p in net.parameters()) < SMALL
