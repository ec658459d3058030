"""torchvision for tests, also beside a torch that its binary part does not load with."""

import importlib
import os
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch

SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
SHIMMED = ("nms", "qnms")  # operators whose fake kernels are registered on import


@pytest.fixture(scope="session")
def torchvision() -> Iterator[Any]:
    """The library; skips where it is not installed, fails instead under scripts/oracle."""
    if importlib.util.find_spec("torchvision") is None:
        if os.environ.get("UNDERTOW_ORACLE"):
            pytest.fail("torchvision is not installed; run scripts/oracle")
        pytest.skip("compared in an environment of its own: scripts/oracle")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a binary part that does not load says so
        try:
            yield importlib.import_module("torchvision")
            return
        except RuntimeError:  # torchvision::nms does not exist: its binary part is not there
            library = torch.library.Library("torchvision", "DEF")
            for name in SHIMMED:
                library.define(f"{name}{SCHEMA}")
            found = importlib.import_module("torchvision")
    yield found
    del library  # alive until here: its operators go with it
