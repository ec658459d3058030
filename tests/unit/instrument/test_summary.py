"""Summaries against published counts and hand-made ones."""

import copy
import json
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from undertow.core.codec import decode, encode
from undertow.core.errors import UsageError
from undertow.instrument.summary import Summary, summary
from undertow.models import build


def small() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 10),
    )


def test_rows_and_totals_by_hand() -> None:
    found = summary(small(), (1, 8, 8), batch=4)
    rows = [(r.path, r.kind, r.shape, r.kernel, r.parameters, r.macs) for r in found.rows]
    assert rows == [
        ("0", "Conv2d", (4, 8, 8, 8), (3, 3), 80, 4 * 64 * 8 * 9),
        ("1", "BatchNorm2d", (4, 8, 8, 8), (), 16, 0),
        ("2", "ReLU", (4, 8, 8, 8), (), 0, 0),
        ("3", "MaxPool2d", (4, 8, 4, 4), (2,), 0, 0),
        ("4", "Flatten", (4, 128), (), 0, 0),
        ("5", "Linear", (4, 10), (), 1290, 4 * 1280),
    ]
    assert (found.parameters, found.trainable, found.macs) == (1386, 1386, 23552)
    assert sum(r.share for r in found.rows) == pytest.approx(1.0)


def test_vgg16_has_its_published_size() -> None:
    """138,357,544 parameters and 15.47 G multiply-adds at 224 px, on `meta`: no memory."""
    with torch.device("meta"):
        net = build("vgg16")
    found = summary(net, (3, 224, 224))
    assert found.parameters == 138_357_544
    assert found.macs == 15_470_264_320


def test_the_table_reads_well() -> None:
    net = small()
    net[0].requires_grad_(False)
    text = str(summary(net, (1, 8, 8)))
    lines = text.splitlines()
    assert lines[0] == "Sequential"
    assert lines[1].split() == [
        "layer",
        "kind",
        "output",
        "kernel",
        "parameters",
        "share",
        "multiply-adds",
        "share",
        "field/stride",
        "saved",
    ]
    assert " ".join(lines[2].split()) == "0 Conv2d 1x8x8x8 3x3 80 5.8 % 4,608 78.3 % 3/1"
    assert " ".join(lines[5].split()) == "3 MaxPool2d 1x8x4x4 2 4/2 0.00 MiB"
    assert lines[-1] == (
        "1,386 parameters (80 frozen), 5,888 multiply-adds for input 1x1x8x8;"
        " 0.01 MiB kept for the backward pass"
    )


def test_the_net_is_left_as_it_was() -> None:
    net = small()
    net[1].eval()
    before = copy.deepcopy(net.state_dict())
    state = torch.get_rng_state()
    summary(net, (1, 8, 8))
    assert [m.training for m in net.modules()] == [True, True, False, True, True, True, True]
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert all(p.device.type == "cpu" for p in net.parameters())
    assert not any(m._forward_hooks for m in net.modules())
    assert torch.equal(torch.get_rng_state(), state)


class Odd(nn.Module):
    """A parameter of its own, a layer used twice, one never, a constant on the CPU."""

    def __init__(self) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.zeros(1, 4))
        self.twice, self.never = nn.Linear(4, 4), nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Any:
        """(N, 4) -> {"out": (N, 4)}."""
        return {"out": self.twice(self.twice(x + self.position)) + torch.zeros(4).cpu()}


def test_every_parameter_is_counted_once_and_calls_are_numbered() -> None:
    found = summary(Odd(), (4,))
    rows = [(r.path, r.shape, r.parameters, r.macs) for r in found.rows]
    assert rows == [
        ("twice", (1, 4), 20, 16),
        ("twice#2", (1, 4), 0, 16),
        ("Odd", (1, 4), 4, 0),
        ("never", (), 6, 0),
    ]
    assert found.parameters == 30


@pytest.mark.parametrize(
    ("shape", "batch", "says"),
    [((3, 8, 8), 1, "does not take an input of shape 1x3x8x8"), ((1, 8, 8), 0, "batch=0")],
)
def test_input_that_does_not_fit_is_told(shape: tuple[int, ...], batch: int, says: str) -> None:
    net = small()
    with pytest.raises(UsageError, match=says):
        summary(net, shape, batch)
    assert not any(m._forward_hooks for m in net.modules())
    assert net.training


def test_it_is_frozen_data() -> None:
    found = summary(small(), (1, 8, 8))
    assert found == summary(small(), (1, 8, 8))
    assert pickle.loads(pickle.dumps(found)) == found
    assert decode(Summary, json.loads(json.dumps(encode(found)))).rows[0].path == "0"


def test_a_net_without_parameters() -> None:
    found = summary(nn.Sequential(nn.ReLU()), (3,))
    assert (found.parameters, found.rows[0].share) == (0, 0.0)
