"""The fast way is taken where it gives what the net gives; else the next, and it says so."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import undertow as ut
from tests.unit.nn.test_graph import lively
from undertow.core.errors import EnvironmentFaultError, UsageError
from undertow.nn import pooling
from undertow.nn.packed import available
from undertow.use import fast
from undertow.use.fast import ready

Spoil = Callable[[Tensor], Tensor]
X = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def net() -> nn.Module:
    return lively(ut.build("cifar_resnet20", seed=0))


@pytest.mark.skipif(not available(), reason="torch has no oneDNN operators here")
def test_the_fused_way_is_taken_and_agrees(net: nn.Module) -> None:
    way = ready(net, X, "fp32")
    assert (way.path, way.precision, way.notes) == ("fused", "fp32", ())
    assert way.difference < 1e-5
    with torch.no_grad():
        torch.testing.assert_close(way.call(X), net(X), rtol=1e-4, atol=1e-4)
    assert way.call(X[:1]).shape == (1, 10)  # another batch size than it was laid out for


@pytest.mark.skipif(not available(), reason="torch has no oneDNN operators here")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_is_fused_for_one_batch_holds_for_others(
    precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pooling, "LARGE", 0)
    monkeypatch.setattr(fast, "has_bf16", lambda _: True)
    net = lively(ut.build("googlenet", seed=0, classes=5, aux=0))
    draw = torch.Generator().manual_seed(1)
    way = ready(net, torch.randn(1, 3, 64, 64, generator=draw), precision)
    assert (way.path, way.precision) == ("fused", precision)
    far = 1e-5 if precision == "fp32" else 0.05
    for size in ((1, 3, 64, 64), (4, 3, 64, 64), (2, 3, 97, 130)):
        x = torch.randn(size, generator=draw)
        with torch.no_grad():
            wanted = net(x)
        out = way.call(x)
        assert float((out - wanted).norm() / wanted.norm()) < far
        assert out.dtype == torch.float32
        assert not out.is_inference()  # a caller may write to it and differentiate with it
        assert torch.equal(way.call(x), out)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda out: out + 0.1, "away from the net"),
        (lambda out: -out, "changes a class"),
        (lambda out: out / 0, "changes a class"),
    ],
)
def test_a_wrong_fused_way_is_not_taken(
    net: nn.Module, monkeypatch: pytest.MonkeyPatch, spoil: Spoil, why: str
) -> None:
    class Spoilt(nn.Module):
        """The net with its outputs changed."""

        def forward(self, x: Tensor) -> Tensor:
            """Its outputs."""
            return spoil(net(x))

    monkeypatch.setattr(fast, "_packed", lambda *_: Spoilt())
    monkeypatch.setattr(fast, "available", lambda: True)
    way = ready(net, X, "fp32")
    assert way.path == "folded"
    assert why in way.notes[0]
    monkeypatch.setattr(fast, "deepcopy", lambda _: Spoilt())
    assert ready(net, X, "fp32").path == "eager"


def test_operators_that_raise_are_not_the_end(
    net: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise RuntimeError("no such operator")

    monkeypatch.setattr(fast, "_packed", gone)
    way = ready(net, X, "fp32")
    assert way.path == "folded"
    assert "RuntimeError" in way.notes[0] if way.notes else not available()


def test_off_is_the_net_itself(net: nn.Module) -> None:
    way = ready(net, X, "fp32", fast=False)
    assert (way.path, way.difference) == ("eager", 0.0)
    with torch.no_grad():
        assert torch.equal(way.call(X), net(X))


def test_precision_by_capability_and_size(net: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast, "has_bf16", lambda _: False)
    assert ready(net, X, "auto").precision == "fp32"
    with pytest.raises(EnvironmentFaultError, match="emulation"):
        ready(net, X, "bf16")
    monkeypatch.setattr(fast, "has_bf16", lambda _: True)
    assert ready(net, X, "auto").precision == "bf16"  # 41 M multiply-adds
    assert ready(net, X).precision == "fp32"  # exact unless asked
    small = ut.build("mlp", seed=0, in_channels=12).eval()
    assert ready(small, torch.randn(2, 12), "auto").precision == "fp32"
    with pytest.raises(UsageError, match="fp16"):
        ready(net, X, "fp16")


def test_inputs_and_outputs_that_do_not_fit_are_told() -> None:
    with pytest.raises(UsageError, match="does not take inputs of 3x32x32"):
        ready(nn.Sequential(nn.Conv2d(1, 2, 3)).eval(), X)
    with pytest.raises(UsageError, match=r"\(N, classes\)"):
        ready(nn.Conv2d(3, 2, 3).eval(), X)


def test_the_net_is_left_as_it_was(net: nn.Module) -> None:
    before = {k: v.clone() for k, v in net.state_dict().items()}
    ready(net, X)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert not any(m._forward_hooks for m in net.modules())
