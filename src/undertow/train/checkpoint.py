"""Checkpoints without pickle: tensors as safetensors, what they are as JSON in its header.

One file holds all, so that a kill leaves the old one or the new one; the `.json` beside it is a
copy for people. Weights keep their plain names; everything else lies under names with a `~`.
"""

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from undertow.core.codec import encode
from undertow.core.errors import EnvironmentFaultError, UsageError
from undertow.core.plan import Plan
from undertow.core.run import Evaluation

VERSION = 2  # raise it when an older reader would misread what is written
MARK = "~"  # first letter of every name that is no weight and no buffer
ABOUT = "undertow"  # key of the JSON in the header
SUFFIXES = ("safetensors", "json")


@dataclass(frozen=True, eq=False)
class State:
    """What else a training is besides its weights: tensors by name, and plain values."""

    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)


NOTHING = State()


def save(
    folder: Path,
    name: str,
    net: nn.Module,
    plan: Plan | None,
    step: int,
    found: Evaluation | None,
    state: State = NOTHING,
) -> Path:
    """Write `checkpoints/NAME.safetensors` and `.json`: temporary name, flushed, renamed.

    The previous file stays until the new one is complete. Each tensor is written contiguous and
    once: its strides, and which names share it, stand in the JSON.

    Raises:
        EnvironmentFaultError: the disk is full or the folder cannot be written.
    """
    home = folder / "checkpoints"
    path = home / f"{name}.safetensors"
    tensors, layout = _packed({**net.state_dict(), **state.tensors})
    about = {
        "version": VERSION,
        "step": step,
        "plan": None if plan is None else asdict(plan),  # exact: a resume compares it
        "evaluation": encode(found),
        "transform_input": bool(getattr(net, "transform_input", False)),
        **layout,
        **state.about,
    }
    try:
        home.mkdir(parents=True, exist_ok=True)
        text = json.dumps(about, allow_nan=False)
        save_file(tensors, home / f"{name}.safetensors.part", metadata={ABOUT: text})
        (home / f"{name}.json.part").write_text(text, encoding="utf-8")
        _settle(home, name)
    except (OSError, SafetensorError) as error:  # the latter is what a full disk gives there
        raise _not_written(home, name, error) from error
    return path


def repeat(folder: Path, name: str, other: str) -> None:
    """Make checkpoint `other` the same as `name`, which was just written: linked, or copied.

    Neither is ever written in place, so two names of one file stay apart from then on.

    Raises:
        EnvironmentFaultError: the disk is full or the folder cannot be written.
    """
    home = folder / "checkpoints"
    try:
        for suffix in SUFFIXES:
            part = home / f"{other}.{suffix}.part"
            part.unlink(missing_ok=True)
            _twin(home / f"{name}.{suffix}", part)
        _settle(home, other)
    except OSError as error:
        raise _not_written(home, other, error) from error


def _twin(file: Path, other: Path) -> None:
    try:
        os.link(file, other)
    except OSError:  # a file system without links
        shutil.copyfile(file, other)


def _not_written(home: Path, name: str, error: Exception) -> EnvironmentFaultError:
    for suffix in SUFFIXES:
        with suppress(OSError):
            (home / f"{name}.{suffix}.part").unlink(missing_ok=True)
    why = getattr(error, "strerror", None) or error
    path = home / f"{name}.safetensors"
    return EnvironmentFaultError(f"{path} could not be written ({why}); the one before it is whole")


def load(folder: Path, name: str = "last") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """(tensors by name, what they are), ties and layouts as they were when saved.

    Raises:
        UsageError: no such checkpoint, a damaged one, or one of a newer version.
    """
    path = folder / "checkpoints" / f"{name}.safetensors"
    if not path.is_file():
        raise UsageError(f"{folder} has no checkpoint {path.name}; give the folder of a training")
    try:
        with safe_open(path, framework="pt") as held:
            about = json.loads((held.metadata() or {}).get(ABOUT, "{}"))
            tensors = {key: held.get_tensor(key) for key in held.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}; resume from another run") from error
    version = about.get("version", 0)
    if not 0 < version <= VERSION:
        raise UsageError(
            f"{path} has checkpoint version {version}, this program reads up to {VERSION};"
            " upgrade undertow, or train anew"
        )
    for key, strides in about.get("strides", {}).items():
        laid = torch.empty_strided(tensors[key].shape, strides, dtype=tensors[key].dtype)
        tensors[key] = laid.copy_(tensors[key])
    tensors.update({key: tensors[first] for key, first in about.get("tied", {}).items()})
    return tensors, about


def weights(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights and buffers alone, under the names of the net's state dict."""
    return {k: v for k, v in tensors.items() if not k.startswith(MARK)}


def _packed(held: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors as safetensors takes them, and what that takes from them: strides and ties."""
    packed: dict[str, Tensor] = {}
    strides: dict[str, list[int]] = {}
    tied: dict[str, str] = {}
    seen: dict[tuple[Any, ...], str] = {}
    for key, value in held.items():
        value = value.detach()
        where = (value.data_ptr(), tuple(value.shape), value.stride(), value.dtype, value.device)
        if value.numel() and where in seen:
            tied[key] = seen[where]
            continue
        seen[where] = key
        if not value.is_contiguous():
            strides[key] = list(value.stride())
        copy = value.cpu().contiguous()  # a view of a larger storage must be a tensor of its own
        packed[key] = copy.clone() if copy.data_ptr() == value.data_ptr() else copy
    return packed, {"strides": strides, "tied": tied}


def _settle(home: Path, name: str) -> None:
    """Both files under their names; the one that a resume reads is on the disk before."""
    with (home / f"{name}.safetensors.part").open("rb") as held:
        os.fsync(held.fileno())
    for suffix in SUFFIXES:
        (home / f"{name}.{suffix}.part").replace(home / f"{name}.{suffix}")
    _flushed(home)


def _flushed(folder: Path) -> None:
    """Force a rename to disk, where the system lets a folder be opened."""
    with suppress(OSError):
        held = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(held)
        finally:
            os.close(held)
