"""Bytes kept for the backward pass, against measured ones and against the tensors themselves."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from undertow.core.plan import Plan
from undertow.instrument.saved import Saved
from undertow.instrument.summary import summary
from undertow.models import blueprint

MEASURED = {  # MiB an image at 224 px, on a CPU
    "alexnet": 3.5,
    "vgg16": 69.9,
    "resnet18": 21.2,
    "resnet34": 30.8,
    "resnet50": 82.1,
    "resnet152": 169.8,
}


@pytest.mark.parametrize("name", MEASURED)
def test_measured_sizes(name: str) -> None:
    net = blueprint(Plan(name)).eval()  # without the masks of dropout, as they were measured
    saved = Saved(net)
    with saved.watching([*net.parameters(), *net.buffers()]):
        net(torch.zeros(1, 3, 224, 224, device="meta"))
    assert saved.total / 2**20 == pytest.approx(MEASURED[name], abs=0.06)


def net() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()
    )


def test_each_module_has_its_own() -> None:
    found = summary(net(), (3, 10, 10), batch=2)
    x, maps, pooled = 2 * 3 * 100, 2 * 8 * 64, 2 * 8 * 16
    assert [row.saved for row in found.rows] == [
        4 * x,
        4 * maps + 2 * 4 * 8,  # its input, mean and inverse deviation
        4 * maps,
        8 * pooled,  # indices; its input is the output of relu, which is kept already
        0,
    ]
    assert found.saved == sum(row.saved or 0 for row in found.rows)


def test_meta_counts_what_is_really_kept() -> None:
    one = net()
    x = torch.randn(2, 3, 10, 10, generator=torch.Generator().manual_seed(0))
    own = {p.data_ptr() for p in (*one.parameters(), *one.buffers())}
    kept: dict[int, int] = {}
    alive: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        alive.append(tensor)
        return tensor

    with saved_tensors_hooks(pack, lambda t: t):
        out = one(x)
    assert summary(one, (3, 10, 10), batch=2).saved == sum(kept.values())
    assert out.requires_grad


def test_frozen_layers_keep_nothing() -> None:
    one = net()
    one.requires_grad_(False)
    assert summary(one, (3, 10, 10)).saved == 0


class Fussy(nn.Module):
    """Works in evaluation only."""

    def forward(self, x: Tensor) -> Any:
        """The input; refuses to train."""
        if self.training:
            raise RuntimeError("not in training")
        return x


def test_what_cannot_be_counted_is_none() -> None:
    found = summary(Fussy(), (3,))
    assert found.saved is None
    assert found.rows[0].saved is None
    assert "kept" not in str(found)
