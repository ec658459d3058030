"""Weights from a file into a net and back: read safely, every key and shape compared."""

import json
import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from undertow.core.errors import EnvironmentFaultError, UsageError
from undertow.models.download import verify
from undertow.models.weights import named

PICKLED = (".pth", ".pt", ".th")
WRAPPERS = ("state_dict", "model")  # keys that training scripts put the weights under
PREFIXES = ("module.", "_orig_mod.")  # left by DataParallel and by torch.compile
SHOWN = 5  # keys named of each kind of mismatch
ABOUT = "undertow"  # our entry in the metadata of a .safetensors file
HASHED = re.compile(r"-([0-9a-f]{8})\.[a-z]+$")  # a name that ends in the start of its SHA-256
STATE = "~"  # first letter of what `train` keeps beside the weights: optimiser, averages
COUNTER = "num_batches_tracked"  # absent from files older than torch 0.4.1; not used to predict


def read(path: str | Path) -> dict[str, Tensor]:
    """The state dict of a .safetensors or .pth file, on the CPU, wrappers and prefixes removed.

    Nothing in the file is executed: pickles are read with `weights_only`. A name that ends in
    eight hex digits, as published files' do, is checked against the file's SHA-256.

    Raises:
        UsageError: no such file, another kind of file, damaged, or one that holds no weights.
    """
    path = Path(path)
    if path.suffix not in (".safetensors", *PICKLED):
        raise UsageError(
            f"weights={str(path)!r} is no weight file; give a .safetensors or .pth file"
        )
    if not path.is_file():
        raise UsageError(f"weights={str(path)!r} is not there; check the path")
    digest = HASHED.search(path.name)
    if digest and (named(path.name) or not digest[1].isdigit()):  # only digits may be a date
        verify(path, digest[1])
    try:
        held: Any = load_file(path) if path.suffix == ".safetensors" else _unpickled(path)
    except Exception as fault:  # readers raise many kinds, all meaning one thing here
        raise UsageError(f"weights={str(path)!r} cannot be read safely: {fault}") from fault
    state = _plain(_unwrapped(held), path)
    for key, first in about(path).get("tied", {}).items():
        state[key] = state[first]  # written once by `train`
    return state


def load(
    net: nn.Module, state: Mapping[str, Tensor], new: Collection[str] = (), assign: bool = False
) -> None:
    """Copy every weight of `state` into `net`, in place.

    Args:
        net: the module.
        state: from `read`.
        new: path of layers whose weights may differ in shape and then stay as they are (heads).
        assign: let `net`, built on `meta`, take the tensors themselves; `state` must hold all.

    Raises:
        UsageError: names the first five missing, unexpected and mis-shaped keys.
    """
    own = net.state_dict()
    exempt = {
        key
        for key, value in own.items()
        if key.rpartition(".")[0] in new and key in state and state[key].shape != value.shape
    }
    missing = [k for k in own if k not in state and not k.endswith(COUNTER)]
    unexpected = [k for k in state if k not in own]
    shaped = [
        f"{k} {tuple(state[k].shape)} for {tuple(v.shape)}"
        for k, v in own.items()
        if k in state and state[k].shape != v.shape and k not in exempt
    ]
    found = {"missing": missing, "unexpected": unexpected, "mis-shaped": shaped}
    if any(found.values()):
        listed = "; ".join(f"{kind}: {_first(keys)}" for kind, keys in found.items() if keys)
        raise UsageError(f"the weights do not fit this network; {listed}. Choose the model, norm,"
                         " skip and classes they were trained with")  # fmt: skip
    held = {k: v for k, v in state.items() if k not in exempt}
    if assign:
        held = {k: v.to(own[k].dtype) for k, v in held.items()}
    net.load_state_dict(held, strict=False, assign=assign)


def save(net: nn.Module, path: str | Path, about: Mapping[str, Any] | None = None) -> Path:
    """Write a net's weights as .safetensors, with what it is beside them; complete or not at all.

    Args:
        net: the module; `transform_input` is kept where it has one.
        path: ends in .safetensors.
        about: what to keep beside the weights (model, choices, preprocessing), as JSON values.

    Raises:
        UsageError: another ending.
        EnvironmentFaultError: the disk is full or the folder cannot be written.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise UsageError(f"{path} is saved as .safetensors only; give such a name")
    told = {"transform_input": bool(getattr(net, "transform_input", False)), **(about or {})}
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in net.state_dict().items()}
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        save_file(tensors, part, metadata={ABOUT: json.dumps(told, allow_nan=False)})
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise EnvironmentFaultError(f"{path} could not be written ({error})") from error
    finally:
        part.unlink(missing_ok=True)
    return path


def about(path: str | Path) -> dict[str, Any]:
    """What `save` kept beside the weights; empty for files of others."""
    if Path(path).suffix != ".safetensors":
        return {}
    with safe_open(path, framework="pt") as file:
        told: dict[str, Any] = json.loads((file.metadata() or {}).get(ABOUT, "{}"))
    return told


def _unpickled(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


def _unwrapped(held: Any) -> Any:
    for key in WRAPPERS:
        if isinstance(held, Mapping) and isinstance(held.get(key), Mapping):
            held = held[key]
    return held


def _plain(held: Any, path: Path) -> dict[str, Tensor]:
    if not isinstance(held, Mapping) or not all(isinstance(v, Tensor) for v in held.values()):
        raise UsageError(f"weights={str(path)!r} holds no table of tensors; save a state_dict")
    named = {str(key): value for key, value in held.items()}
    state = {k: v for k, v in named.items() if not k.startswith(STATE)}
    for prefix in PREFIXES:
        if state and all(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _first(keys: list[str]) -> str:
    rest = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return ", ".join(keys[:SHOWN]) + rest
