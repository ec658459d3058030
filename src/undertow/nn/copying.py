"""Copies of modules, also of those that keep computed tensors, and starts drawn again."""

import copy
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from undertow.core.errors import UsageError

N = TypeVar("N", bound=nn.Module)
MATRIX = 2  # dimensions from which on a parameter is drawn; biases and scales are set


def copied(net: N) -> N:
    """A copy that shares no tensor with the net.

    A deep copy where one can be made. Else module by module: tensors that were computed and kept
    (old-style weight norm, caches) are copied as values, and what has no copy and holds no tensor
    (a lock, a connection) is shared.

    Raises:
        UsageError: a part that a pass would use up: an open file, a generator.
    """
    values: dict[int, Any] = {
        id(t): t.detach().clone() for m in net.modules() for t in _computed(m)
    }
    try:
        return copy.deepcopy(net, dict(values))
    except Exception:  # whatever a user's own part raises
        memo = dict(values)  # the first one holds half-made copies
        for part in reversed(list(net.modules())):  # inner ones first: outer ones find them
            memo[id(part)] = _by_parts(part, memo)
    made: N = memo[id(net)]
    return made


def _by_parts(module: nn.Module, memo: dict[int, Any]) -> nn.Module:
    made = type(module).__new__(type(module))
    for name, value in vars(module).items():
        made.__dict__[name] = _part(f"{type(module).__name__}.{name}", value, memo)
    return made


def _part(where: str, value: Any, memo: dict[int, Any]) -> Any:
    try:
        return copy.deepcopy(value, memo)
    except Exception as error:
        if isinstance(value, Iterator | Mapping | list | tuple | set | Tensor):
            raise UsageError(
                f"{where} cannot be copied ({type(error).__name__}: {error}); what is tried is "
                "tried on copies only: keep open files and generators out of the module"
            ) from error
        return value


def _computed(module: nn.Module) -> Iterator[Tensor]:
    """Tensors of a graph that a module holds, in lists and mappings too."""
    for held in (*vars(module).values(), module._buffers):
        parts = held.values() if isinstance(held, Mapping) else held
        for t in parts if isinstance(held, Mapping | list | tuple) else (held,):
            if isinstance(t, Tensor) and not t.is_leaf:
                yield t


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
