"""Everything a resumed training must have back: optimiser, random states, averages, counters."""

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from undertow.core.errors import UsageError
from undertow.train.checkpoint import MARK, State

OPTIMIZER, EMA, RANDOM = f"{MARK}optimizer", f"{MARK}ema", f"{MARK}random"


def captured(
    optimizer: Optimizer, averages: Mapping[str, Tensor], scaler: torch.amp.GradScaler | None
) -> State:
    """Optimiser state, averaged weights, scaler and all random states, as they are now."""
    stored = optimizer.state_dict()["state"]
    tensors = {f"{EMA}/{k}": v for k, v in averages.items()}
    values: dict[str, dict[str, Any]] = {}
    for index, entries in stored.items():
        for name, value in entries.items():
            if isinstance(value, Tensor):
                tensors[f"{OPTIMIZER}/{index}/{name}"] = value
            else:
                values.setdefault(str(index), {})[name] = value
    tensors |= _random_tensors()
    about = {
        "optimizer": {"kind": type(optimizer).__name__, "values": values},
        "scaler": scaler.state_dict() if scaler is not None else None,
        "random": _random_values(),
    }
    return State(tensors, about)


def restore_optimizer(
    optimizer: Optimizer, tensors: Mapping[str, Tensor], about: Mapping[str, Any]
) -> None:
    """The optimiser's state as it was; rates and other options stay those of the plan.

    Raises:
        UsageError: the state is of another kind of optimiser.
    """
    told, mine = about["optimizer"], type(optimizer).__name__
    if told["kind"] != mine:
        raise UsageError(
            f"the checkpoint's optimizer is {told['kind']}, not {mine}; resume with it"
        )
    state: dict[int, dict[str, Any]] = {}
    for key, value in tensors.items():
        if key.startswith(f"{OPTIMIZER}/"):
            _, index, name = key.split("/", 2)
            state.setdefault(int(index), {})[name] = value
    for index, entries in told["values"].items():
        state.setdefault(int(index), {}).update(entries)
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def averages(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The averaged weights of a checkpoint, {} where there were none."""
    head = f"{EMA}/"
    return {k.removeprefix(head): v for k, v in tensors.items() if k.startswith(head)}


def _random_tensors() -> dict[str, Tensor]:
    _, inner, _ = random.getstate()
    _, keys, *_ = np.random.get_state()  # noqa: NPY002 - a user's code may draw from it
    found = {
        f"{RANDOM}/cpu": torch.get_rng_state(),
        f"{RANDOM}/python": torch.tensor(inner),
        f"{RANDOM}/numpy": torch.from_numpy(np.asarray(keys).astype(np.int64)),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        found[f"{RANDOM}/cuda"] = torch.cuda.get_rng_state()
    return found


def _random_values() -> dict[str, Any]:
    kind, _, at, gauss, cached = np.random.get_state()  # noqa: NPY002
    version, _, spare = random.getstate()
    return {
        "python": [version, spare],
        "numpy": [str(kind), int(at), int(gauss), float(cached)],
    }


def restore_random(tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Torch's, Python's and numpy's random states as they were."""
    torch.set_rng_state(tensors[f"{RANDOM}/cpu"])
    if f"{RANDOM}/cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors[f"{RANDOM}/cuda"])
    version, spare = about["random"]["python"]
    random.setstate((version, tuple(tensors[f"{RANDOM}/python"].tolist()), spare))
    keys = tensors[f"{RANDOM}/numpy"].numpy().astype(np.uint32)
    kind, *rest = about["random"]["numpy"]
    np.random.set_state((kind, keys, *rest))  # noqa: NPY002
