"""Copies of modules, also of those that keep computed tensors, and starts drawn again."""

import copy
import zlib
from typing import TypeVar

import torch
from torch import Tensor, nn

from undertow.core.errors import UsageError

N = TypeVar("N", bound=nn.Module)
MATRIX = 2  # dimensions from which on a parameter is drawn; biases and scales are set


def copied(net: N) -> N:
    """A deep copy. Tensors a module computed and kept (old-style weight norm) are copied as values.

    Raises:
        UsageError: a part that cannot be copied: an open file, a lock, a generator.
    """
    memo = {id(t): t.detach().clone() for m in net.modules() for t in _computed(m)}
    try:
        return copy.deepcopy(net, memo)
    except Exception as error:  # whatever a user's own part raises
        raise UsageError(
            f"{type(net).__name__} cannot be copied ({type(error).__name__}: {error}); what is "
            "tried is tried on copies only: keep open files, locks and generators out of the module"
        ) from error


def _computed(module: nn.Module) -> list[Tensor]:
    held = [*vars(module).values(), *module._buffers.values()]
    return [t for t in held if isinstance(t, Tensor) and not t.is_leaf]


def redrawn(net: N, seed: int) -> N:
    """A copy with the entries of every weight matrix in another order: the same init, drawn again.

    The distribution of each weight is kept exactly, whatever rule made it; biases and scales stay.

    Raises:
        UsageError: the module cannot be copied.
    """
    made = copied(net)
    with torch.no_grad():
        for name, p in made.named_parameters():
            if p.ndim >= MATRIX:
                own = torch.Generator().manual_seed(zlib.crc32(f"{seed}/{name}".encode()))
                order = torch.randperm(p.numel(), generator=own).to(p.device)
                p.copy_(p.reshape(-1)[order].reshape(p.shape))
    return made
