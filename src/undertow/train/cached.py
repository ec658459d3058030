"""Feature extraction: what a frozen body makes of the data, computed once, trains the head."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace

import torch
from torch import Tensor, nn

from undertow.core.errors import UsageError
from undertow.data.arrays import Arrays
from undertow.nn.parts import AFTER, Part, places
from undertow.train.evaluation import CHUNK, VALUES, evaluating
from undertow.train.heads import has_heads
from undertow.train.job import Job
from undertow.train.precision import autocast

Context = Callable[[], AbstractContextManager[object]]


def tail(net: nn.Module, head: Part, x: Tensor) -> tuple[str, ...]:
    """Paths of the modules that make the outputs from the features, one after the other.

    They begin with the head's first dropout or first module with weights: before it nothing is
    random and nothing trains.

    Args:
        net: the module.
        head: its last part.
        x: a batch of inputs, to see whether these modules alone give the net's outputs.

    Raises:
        UsageError: they do not; the head does more than to run them in a row.
    """
    at = places(net, x)
    modules = dict(net.named_modules())
    run = [p for p in sorted(head.modules, key=lambda p: at[p]) if at[p] < AFTER]
    first = next((i for i, path in enumerate(run) if _varies(modules[path])), len(run))
    found = tuple(run[first:])
    with torch.no_grad(), evaluating(net):
        given, out = _input_of(net, found[0], x) if found else ((), x)
        same = len(given) == 1 and torch.equal(_row(net, found, given[0]), out)
    if not same:
        raise UsageError(
            "the head of this net is no row of layers, so it cannot train on stored features;"
            " leave cache_features out"
        )
    return found


def _varies(module: nn.Module) -> bool:
    random = isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0
    return random or next(module.parameters(), None) is not None


def _input_of(net: nn.Module, path: str, x: Tensor) -> tuple[Sequence[Tensor], Tensor]:
    """(what the module at a path is given in each of its calls, what the net makes) of a batch."""
    held: list[Tensor] = []

    def keep(module: nn.Module, args: tuple[object, ...]) -> None:
        if len(args) == 1 and isinstance(args[0], Tensor):
            held.append(args[0])

    handle = net.get_submodule(path).register_forward_pre_hook(keep)
    try:
        out = net(x)
    finally:
        handle.remove()
    return held, out


def _row(net: nn.Module, paths: Sequence[str], x: Tensor) -> Tensor:
    for path in paths:
        x = net.get_submodule(path)(x)
    return x


@torch.no_grad()
def featured(
    net: nn.Module, paths: Sequence[str], data: Arrays, context: Context = nullcontext
) -> Arrays:
    """The data with features in place of inputs, in eval mode.

    Args:
        net: the module.
        paths: from `tail`.
        data: a part of the data.
        context: makes the context of a forward pass (autocast).
    """
    device = next((p.device for p in net.parameters()), torch.device("cpu"))
    chunk = max(1, min(CHUNK, VALUES // max(1, data.x[:1].numel())))
    made = []
    with evaluating(net), context():
        for at in range(0, len(data.x), chunk):
            pick = torch.arange(at, min(at + chunk, len(data.x)))
            (given,), _ = _input_of(net, paths[0], data.x[pick].to(device))
            made.append(given.float().cpu())
    return replace(data, x=torch.cat(made), validation=None, test=None)


def on_features(job: Job, head: Part) -> Job:
    """The job on the features of its net's body, frozen as it is now.

    Raises:
        UsageError: the head cannot run alone, or auxiliary heads want the body.
    """
    if has_heads(job.net):
        raise UsageError("cache_features trains the main head alone; give aux=0")
    paths = tail(job.net, head, job.train.x[:2].to(job.device))
    context = autocast(job.choices.precision, job.device)
    train, held = (featured(job.net, paths, part, context) for part in (job.train, job.held))
    return replace(job, train=train, held=held, tail=paths)


@contextmanager
def alone(net: nn.Module, paths: Sequence[str]) -> Iterator[None]:
    """Inside, a call of the net runs these modules alone, on features; its hooks see it as ever."""

    def forward(x: Tensor) -> Tensor:
        return _row(net, paths, x)

    net.forward = forward
    try:
        yield
    finally:
        del net.forward
