"""`undertow doctor`."""

import os
import platform
from importlib import import_module, util
from importlib.metadata import PackageNotFoundError, version

import typer

CORE = ("torch", "numpy", "pillow", "safetensors", "jinja2", "rich", "typer", "scikit-learn")
EXTRAS = {
    "web": ("starlette", "uvicorn"),
    "export": ("onnx", "onnxscript", "onnxruntime"),
    "plot": ("matplotlib",),
    "fast": ("simplejpeg",),
}


def doctor() -> None:
    """Say what is installed, what is missing, and whether it is enough."""
    import torch

    print(f"python     {platform.python_version()} on {platform.system()} {platform.machine()}")
    print(
        f"device     {_device(torch)} · {torch.get_num_threads()} threads of {os.cpu_count()} cores"
    )
    missing = [name for name in CORE if _version(name) is None]
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
    raise typer.Exit(3 if missing else 0)


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
