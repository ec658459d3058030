"""The parity data: reference keys and outputs of published nets, and nets filled by its rule."""

import importlib.util
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from undertow.models import build

LOGITS = 5e-5  # allowed difference in standard deviations of an image's logits
GRADIENT, LOSS = 1e-4, 1e-5  # relative
QUICK = ("alexnet", "resnet18", "resnet50", "googlenet", "vgg11_bn")  # the rest are slow
HEADS = {"aux_logits1": "aux1", "aux_logits2": "aux2", "aux_logits": "aux"}  # lower, upper, only
FIRST = 16  # logits stored
THREADS = 2  # as the data was made: other sums flip units at 0, which moves norms by up to 1e-3


@cache
def rule(folder: Path) -> ModuleType:
    """The data's own fill rule, loaded from its file."""
    spec = importlib.util.spec_from_file_location("parity_fill", folder / "parity_fill.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(folder: Path, kind: str, name: str) -> dict[str, Any]:
    """A file of `models` or `golden`."""
    found: dict[str, Any] = json.loads((folder / kind / f"{name}.json").read_text("utf-8"))
    return found


def heads(name: str) -> int:
    """Auxiliary heads that the reference has."""
    return {"googlenet": 2, "inception_v3": 1}.get(name, 0)


def filled(folder: Path, name: str, gain: float, **given: Any) -> nn.Module:
    """Our net with every entry filled by the rule, ready to evaluate."""
    net = build(name, **{"aux": heads(name), "init": "normal:1", **given})
    rule(folder).fill(net, gain)
    return net.eval()


def differences(folder: Path, net: nn.Module, name: str) -> Iterator[tuple[str, float]]:
    """Each run of a golden file: its name and the largest difference in standard deviations."""
    for run, wanted in read(folder, "golden", name)["outputs"].items():
        if run != "eval_no_aux":  # of another net: `test_no_aux`
            x = rule(folder).images(tuple(wanted["input"]))
            yield run, difference(logits(net, x, run, wanted.get("head", "logits")), wanted)


def logits(net: Any, x: Tensor, run: str, head: str) -> Tensor:
    """The logits of a run: transformed input, or a head in training, or plain."""
    with torch.no_grad(), mode_of(net, run):
        if not run.startswith("aux_"):
            found: Tensor = net(x)
            return found
        out = net.forward_aux(x)
        return out.logits if head == "logits" else out.aux[HEADS[head]]


@contextmanager
def mode_of(net: Any, run: str) -> Iterator[None]:
    """The mode a run asks for; evaluation, rates and statistics as before afterwards."""
    state = {key: value.clone() for key, value in net.state_dict().items()}
    rates = [(m, m.p) for m in net.modules() if isinstance(m, nn.Dropout)]
    net.train(run.startswith("aux_"))
    for module in net.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(module, nn.BatchNorm2d) and run.startswith("aux_frozen_norm"):
            module.eval()
    if run == "eval_transform_input":
        net.transform_input = True
    try:
        yield
    finally:
        if run == "eval_transform_input":
            net.transform_input = False
        for module, rate in rates:
            module.p = rate
        net.load_state_dict(state)
        net.eval()


def difference(found: Tensor, wanted: dict[str, Any]) -> float:
    """The largest difference of first logits, mean and deviation; infinite where argmax is not."""
    if found.argmax(1).tolist() != wanted["argmax"]:
        return float("inf")
    scale = torch.tensor(wanted["std"], dtype=torch.float64)
    found = found.double()
    parts = (
        found[:, :FIRST] - torch.tensor(wanted["first16"], dtype=torch.float64),
        (found.mean(1) - torch.tensor(wanted["mean"], dtype=torch.float64))[:, None],
        (found.std(1, correction=0) - scale)[:, None],
    )
    return max(float((part.abs() / scale[:, None]).max()) for part in parts)


def gradients(folder: Path, net: nn.Module, name: str) -> tuple[float, dict[str, float]]:
    """Relative difference of the loss, and of every parameter's gradient norm that is too far."""
    wanted = read(folder, "golden", name)["gradients"]
    loss, far = _backward(folder, net, wanted)
    if any(not d <= GRADIENT for d in far.values()):
        threads = torch.get_num_threads()
        torch.set_num_threads(THREADS)
        try:
            loss, far = _backward(folder, net, wanted)
        finally:
            torch.set_num_threads(threads)
    return loss, {key: d for key, d in far.items() if not d <= GRADIENT}


def _backward(
    folder: Path, net: nn.Module, wanted: dict[str, Any]
) -> tuple[float, dict[str, float]]:
    net.zero_grad()
    x = rule(folder).images(tuple(wanted["input"]))
    loss = F.cross_entropy(net(x), torch.tensor(wanted["labels"]))
    loss.backward()
    held = {k: p.grad for k, p in net.named_parameters() if p.grad is not None}
    assert held.keys() == wanted["l2"].keys()
    far = {k: abs(float(g.double().norm()) / wanted["l2"][k] - 1) for k, g in held.items()}
    net.zero_grad()
    return abs(float(loss.detach()) / wanted["loss"] - 1), far
