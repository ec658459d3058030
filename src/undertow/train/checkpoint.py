"""Checkpoints without pickle: weights as safetensors, what they are beside them as JSON."""

import json
import os
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn

from undertow.core.codec import encode
from undertow.core.errors import EnvironmentFaultError
from undertow.core.plan import Plan
from undertow.core.run import Evaluation

VERSION = 1


def save(
    folder: Path, name: str, net: nn.Module, plan: Plan | None, step: int, found: Evaluation | None
) -> Path:
    """Write `checkpoints/NAME.safetensors` and `.json`: temporary name, flushed, renamed.

    The previous files of that name stay until the new ones are complete.

    Raises:
        EnvironmentFaultError: the disk is full or the folder cannot be written.
    """
    home = folder / "checkpoints"
    path = home / f"{name}.safetensors"
    about = {"version": VERSION, "step": step, "plan": encode(plan), "evaluation": encode(found)}
    # cloned: safetensors refuses tensors that share memory, as tied weights do
    tensors = {k: v.detach().cpu().clone().contiguous() for k, v in net.state_dict().items()}
    try:
        home.mkdir(parents=True, exist_ok=True)
        save_file(tensors, home / f"{name}.safetensors.part")
        (home / f"{name}.json.part").write_text(json.dumps(about, allow_nan=False))
        for suffix in ("safetensors", "json"):
            _settle(home / f"{name}.{suffix}.part", home / f"{name}.{suffix}")
    except (OSError, SafetensorError) as error:  # the latter is what a full disk gives there
        why = getattr(error, "strerror", None) or error
        raise EnvironmentFaultError(
            f"{path} could not be written ({why}); the one before it is whole"
        ) from error
    return path


def _settle(part: Path, final: Path) -> None:
    with part.open("rb") as held:
        os.fsync(held.fileno())
    part.replace(final)
