"""The processes a training is spread over: torchrun's ranks, or this one alone."""

import gc
import hashlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from undertow.core.errors import EnvironmentFaultError, UsageError

PATIENCE = timedelta(seconds=60)  # for a rank that no longer answers
FOLDER = "ranks"


@dataclass(frozen=True, eq=False)
class Ranks:
    """This process among `world`; alone where world is 1.

    Attributes:
        rank: of this process; rank 0 alone records, prints and saves.
        world: processes.
        gather: adds a tensor over all processes.
        apart: makes the context in which gradients are not averaged yet.
        wrap: net -> what is called in its place, so that gradients are averaged.
    """

    rank: int = 0
    world: int = 1
    gather: Callable[[Tensor], Tensor] = lambda numbers: numbers
    apart: Callable[[], AbstractContextManager[object]] = nullcontext
    wrap: Callable[[nn.Module], nn.Module] = lambda net: net

    @property
    def first(self) -> bool:
        """Whether this process records, prints and saves."""
        return self.rank == 0

    def any(self, here: bool) -> bool:
        """Whether it is so on any rank; every rank must ask."""
        return here if self.world == 1 else float(self.gather(torch.tensor(float(here)))) > 0


ALONE = Ranks()


class _Averaging:
    """The net wrapped by torch's DDP, and the context in which it does not average yet."""

    def __init__(self) -> None:
        self.held: DistributedDataParallel | None = None

    def wrap(self, net: nn.Module) -> nn.Module:
        self.held = DistributedDataParallel(net)
        return self.held

    def apart(self) -> AbstractContextManager[object]:
        return nullcontext() if self.held is None else self.held.no_sync()


def joined(environ: Mapping[str, str] = os.environ) -> Ranks:
    """This process among those that torchrun started; alone where it did not.

    Raises:
        EnvironmentFaultError: the other ranks were not found.
    """
    world = int(environ.get("WORLD_SIZE", "1"))
    if world == 1:
        return ALONE
    rank = int(environ["RANK"])
    try:
        dist.init_process_group("gloo", timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise EnvironmentFaultError(
            f"rank {rank} of {world} did not find the others: {error}; check that all were started"
            " and that MASTER_ADDR can be reached"
        ) from error
    local = int(environ.get("LOCAL_WORLD_SIZE", str(world)))
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // local))  # torchrun sets 1
    averaging = _Averaging()
    return Ranks(rank, world, _gather, averaging.apart, averaging.wrap)


def _gather(numbers: Tensor) -> Tensor:
    summed = numbers.clone()
    dist.all_reduce(summed)
    return summed


def shared(text: str, ranks: Ranks) -> str:
    """Rank 0's text on every rank."""
    if ranks.world == 1:
        return text
    held = [text]
    dist.broadcast_object_list(held)
    return held[0]


def refuse(net: nn.Module) -> None:
    """Nothing, where the net can be spread over processes of a CPU.

    Raises:
        UsageError: it has SyncBatchNorm, which works on GPUs only.
    """
    if any(isinstance(m, nn.SyncBatchNorm) for m in net.modules()):
        raise UsageError("SyncBatchNorm works on GPUs only; use norm=group, or batch per rank")


def digest(net: nn.Module) -> str:
    """16 hex digits of the SHA-256 over every weight: equal on ranks that stayed together."""
    held = hashlib.sha256()
    for _, p in sorted(net.named_parameters()):
        held.update(p.detach().cpu().contiguous().numpy().tobytes())
    return held.hexdigest()[:16]


def written(folder: Path, rank: int, told: Mapping[str, Any]) -> None:
    """Write `ranks/R.json`, whole or not at all: how a rank ended."""
    home = folder / FOLDER
    with suppress(OSError):  # a rank that ends badly must still end
        home.mkdir(parents=True, exist_ok=True)
        part = home / f"{rank}.json.part"
        part.write_text(json.dumps(dict(told)), encoding="utf-8")
        part.replace(home / f"{rank}.json")


def leave(code: int, *, together: bool) -> NoReturn:
    """End this rank process with a code, past the interpreter's own exit.

    With gloo about one interpreter in five aborts there after all work is done. A rank that
    failed leaves at once, the others when all are done.

    Args:
        code: of the process.
        together: wait for the other ranks.
    """
    gc.collect()
    if together:
        with suppress(RuntimeError, ValueError):
            dist.barrier()
            dist.destroy_process_group()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
