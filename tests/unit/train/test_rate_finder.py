"""The sweep finds a rate, says when there is none, and leaves everything bit for bit."""

import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn, optim

from undertow.core.errors import UsageError
from undertow.data.arrays import Arrays
from undertow.data.feed import Feed
from undertow.data.order import Order
from undertow.preflight import guarded
from undertow.train.loop import How
from undertow.train.rate_finder import HIGH, LOW, find_rate

X = torch.randn(200, 5, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] + X[:, 1] > 0).long()
FEED = Feed(Arrays("n", X, Y, 2, False), Order(200, 20, 0))


def made() -> tuple[nn.Sequential, optim.Optimizer]:
    with guarded(0):
        net = nn.Sequential(nn.Linear(5, 16), nn.BatchNorm1d(16), nn.Dropout(0.1), nn.Linear(16, 2))
    groups: Any = [{"params": net[0].parameters()}, {"params": net[1:].parameters(), "lr": 0.3}]
    return net, optim.SGD(groups, lr=0.1, momentum=0.9)


def everything(net: nn.Module, optimizer: optim.Optimizer) -> tuple[object, ...]:
    state = {k: v.clone() for k, v in net.state_dict().items()}
    groups = [{k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups]
    kept = {i: {k: v.clone() for k, v in s.items() if isinstance(v, Tensor)}
            for i, s in enumerate(optimizer.state.values())}  # fmt: skip
    modes = [m.training for m in net.modules()]
    grads = [p.grad is None for p in net.parameters()]
    rng = (torch.get_rng_state(), random.getstate(), np.random.get_state())  # noqa: NPY002
    return state, groups, kept, modes, grads, rng


def same(one: object, two: object) -> bool:
    if isinstance(one, Tensor) and isinstance(two, Tensor):
        return torch.equal(one, two)
    if isinstance(one, np.ndarray):
        return bool(np.array_equal(one, two))  # type: ignore[arg-type]
    if isinstance(one, dict) and isinstance(two, dict):
        return set(one) == set(two) and all(same(one[k], two[k]) for k in one)
    if isinstance(one, tuple | list) and isinstance(two, tuple | list):
        return len(one) == len(two) and all(map(same, one, two))
    return bool(one == two)


def sweep(loss: object = None) -> tuple[object, object, object]:
    net, optimizer = made()
    (net(X).sum() * 1e-4).backward()
    optimizer.step()  # momentum and statistics are there to be spoilt
    optimizer.zero_grad()
    net.eval()
    before = everything(net, optimizer)
    how = How(loss or nn.functional.cross_entropy)  # type: ignore[arg-type]
    try:
        found: object = find_rate(net, optimizer, FEED.groups(0, 100), how)
    except (KeyboardInterrupt, RuntimeError) as error:
        found = error
    return found, before, everything(net, optimizer)


def test_a_rate_is_found_and_nothing_is_changed() -> None:
    found, before, after = sweep()
    assert same(before, after)
    assert found.why == ""  # type: ignore[attr-defined]
    assert 1e-3 < found.steepest < 5  # type: ignore[attr-defined]
    rates = [r for r, _, _ in found.curve]  # type: ignore[attr-defined]
    assert rates[0] == pytest.approx(LOW)
    steps = np.diff(np.log(rates))
    assert np.allclose(steps, np.log(HIGH / LOW) / 99)


def test_a_diverging_sweep_is_told_and_changes_nothing() -> None:
    calls: list[int] = []

    def breaks(out: Tensor, y: Tensor) -> Tensor:
        calls.append(1)
        loss = nn.functional.cross_entropy(out, y)
        return loss * float("nan") if len(calls) == 4 else loss

    found, before, after = sweep(breaks)
    assert same(before, after)
    assert found.steepest is None  # type: ignore[attr-defined]
    assert "diverges at once: nan" in found.why  # type: ignore[attr-defined]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_sweep_changes_nothing(error: type[BaseException]) -> None:
    calls: list[int] = []

    def stops(out: Tensor, y: Tensor) -> Tensor:
        calls.append(1)
        if len(calls) == 30:
            raise error
        return nn.functional.cross_entropy(out, y)

    found, before, after = sweep(stops)
    assert isinstance(found, error)
    assert same(before, after)


def test_flat_and_short_sweeps_say_so() -> None:
    net, optimizer = made()
    flat = find_rate(net, optimizer, FEED.groups(0, 100), How(lambda out, y: 0 * out.sum() + 1))
    assert flat.why == "flat: no rate lowers the loss"
    short = find_rate(net, optimizer, FEED.groups(0, 5), How(nn.functional.cross_entropy))
    assert short.why.startswith("too few batches: 5")
    with pytest.raises(UsageError, match="steps=1 is no sweep"):
        find_rate(net, optimizer, [], How(nn.functional.cross_entropy), steps=1)


def test_frozen_parts_and_groups_keep_their_ratio() -> None:
    net, optimizer = made()
    net[0].requires_grad_(False)
    assert find_rate(net, optimizer, FEED.groups(0, 100), How(nn.functional.cross_entropy)).steepest
