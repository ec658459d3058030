"""Weights from a file into a net: read safely, every key and shape compared."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from undertow.core.errors import UsageError

PICKLED = (".pth", ".pt", ".th")
WRAPPERS = ("state_dict", "model")  # keys that training scripts put the weights under
PREFIXES = ("module.", "_orig_mod.")  # left by DataParallel and by torch.compile
SHOWN = 5  # keys named of each kind of mismatch
COUNTER = "num_batches_tracked"  # absent from files older than torch 0.4.1; not used to predict


def read(path: str | Path) -> dict[str, Tensor]:
    """The state dict of a .safetensors or .pth file, on the CPU, wrappers and prefixes removed.

    Nothing in the file is executed: pickles are read with `weights_only`.

    Raises:
        UsageError: no such file, another kind of file, or one that does not hold weights.
    """
    path = Path(path)
    if path.suffix not in (".safetensors", *PICKLED):
        raise UsageError(
            f"weights={str(path)!r} is no weight file; give a .safetensors or .pth file"
            " (published tags are not offered yet)"
        )
    if not path.is_file():
        raise UsageError(f"weights={str(path)!r} is not there; check the path")
    try:
        held: Any = load_file(path) if path.suffix == ".safetensors" else _unpickled(path)
    except Exception as fault:  # readers raise many kinds, all meaning one thing here
        raise UsageError(f"weights={str(path)!r} cannot be read safely: {fault}") from fault
    return _plain(_unwrapped(held), path)


def load(net: nn.Module, state: Mapping[str, Tensor], new: Collection[str] = ()) -> None:
    """Copy every weight of `state` into `net`, in place.

    Args:
        net: the module.
        state: from `read`.
        new: path of layers whose weights may differ in shape and then stay as they are (heads).

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
    net.load_state_dict({k: v for k, v in state.items() if k not in exempt}, strict=False)


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
    state = {str(key): value for key, value in held.items()}
    for prefix in PREFIXES:
        if state and all(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _first(keys: list[str]) -> str:
    rest = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return ", ".join(keys[:SHOWN]) + rest
