"""`undertow doctor`."""

import json as text
import os
import platform
from importlib import import_module, util
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import typer

from undertow.cli import options as o
from undertow.cli.output import machine

CORE = ("torch", "numpy", "pillow", "safetensors", "jinja2", "rich", "typer", "scikit-learn")
FAULT = 3
EXTRAS = {
    "web": ("starlette", "uvicorn"),
    "export": ("onnx", "onnxscript", "onnxruntime"),
    "plot": ("matplotlib",),
    "fast": ("simplejpeg",),
}


def doctor(json: o.Json = False) -> None:
    """Say what is installed, what is missing, and whether it is enough."""
    import torch

    missing = [name for name in CORE if _version(name) is None]
    if json:
        machine(text.dumps(_facts(torch, missing), ensure_ascii=False))
    else:
        _print(torch, missing)
    raise typer.Exit(FAULT if missing else 0)


def _facts(torch: Any, missing: list[str]) -> dict[str, object]:
    """Versions of the core's and the extras' packages, null where not installed."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "device": _device(torch),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "core": {name: _version(name) for name in CORE},
        "extras": {extra: {n: _version(n) for n in names} for extra, names in EXTRAS.items()},
        "missing": missing,
    }


def _print(torch: Any, missing: list[str]) -> None:
    print(f"python     {platform.python_version()} on {platform.system()} {platform.machine()}")
    print(
        f"device     {_device(torch)} · {torch.get_num_threads()} threads of {os.cpu_count()} cores"
    )
    for name in CORE:
        print(f"core       {name} {_version(name) or 'MISSING'}")
    for extra, names in EXTRAS.items():
        lost = [n for n in names if _version(n) is None]
        print(
            f"[{extra}]".ljust(11)
            + ("complete" if not lost else f"not installed ({', '.join(lost)})")
        )
    if util.find_spec("torchvision") is not None:
        print(f"torchvision {_torchvision()}; it is not used here")
    print("verdict    ready" if not missing else f"verdict    incomplete: {', '.join(missing)}")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _device(torch: object) -> str:
    cuda = getattr(torch, "cuda")  # noqa: B009 - typed as object on purpose
    return str(cuda.get_device_name(0)) if cuda.is_available() else "CPU"


def _torchvision() -> str:
    try:
        found = import_module("torchvision")
    except Exception as error:  # a torchvision that does not fit its torch raises anything
        return f"is broken ({type(error).__name__}), which is harmless"
    return f"{found.__version__} found"
