"""What `repair` and `prove` are given, looked at before anything is trained."""

import math
from collections.abc import Callable, Iterable
from functools import partial
from inspect import signature
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from undertow.core.errors import UndertowError, UsageError
from undertow.data.arrays import Arrays
from undertow.experiment.pair import Source, build
from undertow.preflight import guarded

FEW = 2  # samples of the pass that tells whether a net takes the data


def limited(steps: object, seeds: object, budget_s: object, executor: object) -> None:
    """Nothing, where trials can be counted out and sent somewhere.

    Raises:
        UsageError: a number that is none, or below 1; an executor that takes no work.
    """
    for name, value in (("steps", steps), ("seeds", seeds)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise UsageError(f"{name}={value!r} is no count; give a whole number of 1 or more")
    if not isinstance(budget_s, int | float) or math.isnan(budget_s):
        raise UsageError(f"budget_s={budget_s!r} is no time; give seconds")
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise UsageError(
            f"executor={executor!r} takes no work; give a concurrent.futures.Executor, or of a"
            " Dask cluster Client.get_executor()"
        )


def factory(optimizer: object) -> Callable[[Iterable[nn.Parameter]], Optimizer]:
    """(params) -> Optimizer of an optimiser: its class and options, over other parameters.

    Raises:
        UsageError: neither; or one of several groups, whose parameters other nets do not name.
    """
    if not isinstance(optimizer, Optimizer):
        if not callable(optimizer):
            raise UsageError(
                f"optimizer={optimizer!r} is none; give an Optimizer or (params) -> Optimizer"
            )
        return optimizer
    if len(optimizer.param_groups) > 1:
        raise UsageError(
            "an optimizer of several groups cannot be made again for fresh networks; give a"
            " function (params) -> Optimizer"
        )
    kind: Any = type(optimizer)
    takes = signature(kind.__init__).parameters
    own = {k: v for k, v in optimizer.param_groups[0].items() if k in takes and k != "params"}
    return partial(kind, **own)


def runs(source: Source, data: Arrays) -> None:
    """Nothing, where the build function returns a network that takes the data.

    Raises:
        UsageError: it raises, returns something else, or the network refuses the inputs.
    """
    made = _made(source, data)
    if source.step is not None:
        return
    try:
        with guarded(0), torch.no_grad():
            made.eval()(data.x[:FEW])
    except UndertowError:
        raise
    except Exception as error:  # whatever a user's own code raises
        shape = "x".join(map(str, data.shape)) or "one number"
        raise UsageError(
            f"the network does not take inputs of {shape}: {type(error).__name__}: {error}"
        ) from error


def _made(source: Source, data: Arrays) -> nn.Module:
    name = getattr(source.build, "__name__", "build")
    try:
        made: object = build(source, (), data, 0)
    except UndertowError:
        raise
    except Exception as error:  # whatever a user's own code raises
        raise UsageError(f"{name} raised {type(error).__name__}: {error}") from error
    if not isinstance(made, nn.Module):
        raise UsageError(f"{name} returned a {type(made).__name__}; return a fresh nn.Module")
    return made
