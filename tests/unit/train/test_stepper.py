"""A step that costs less moves every weight and buffer as the optimiser's own does, bit for bit."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn, optim
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook

from undertow.train import stepper as subject
from undertow.train.stepper import stepper

SGD: list[dict[str, Any]] = [
    {"momentum": 0.9},
    {"momentum": 0.0},
    {"momentum": 0.9, "weight_decay": 0.1},
    {"momentum": 0.9, "nesterov": True},
    {"momentum": 0.5, "dampening": 0.2, "maximize": True},
]


def pair(options: dict[str, Any]) -> tuple[nn.Module, Optimizer, nn.Module, Optimizer]:
    """Two equal nets with equal optimisers of two groups, each with a rate of its own."""
    torch.manual_seed(0)
    one = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))
    two = deepcopy(one)
    made = [
        optim.SGD(
            [{"params": net[0].parameters()}, {"params": net[2].parameters(), "lr": 0.03}],
            lr=0.1,
            fused=True,
            **options,
        )
        for net in (one, two)
    ]
    return one, made[0], two, made[1]


def backward(net: nn.Module, step: int) -> None:
    net.zero_grad()
    x = torch.randn(8, 5, generator=torch.Generator().manual_seed(step))
    net(x).square().mean().backward()


def state(net: nn.Module, optimizer: Optimizer) -> list[Tensor]:
    held = optimizer.state_dict()["state"]
    buffers = [held[k].get("momentum_buffer") for k in sorted(held)]
    return [*net.state_dict().values(), *(b for b in buffers if b is not None)]


@pytest.mark.parametrize("options", SGD, ids=str)
def test_the_same_bits_as_the_optimisers_own_step(options: dict[str, Any]) -> None:
    one, theirs, two, ours = pair(options)
    move = stepper(ours)
    for step in range(6):
        backward(one, step)
        backward(two, step)
        for group in (*theirs.param_groups, *ours.param_groups):
            group["lr"] *= 0.9  # read anew at every step
        theirs.step()
        move()
    found, wanted = state(two, ours), state(one, theirs)
    assert len(found) == len(wanted)
    assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_a_frozen_parameter_stays() -> None:
    one, theirs, two, ours = pair({"momentum": 0.9})
    move = stepper(ours)
    for step in range(4):
        for net in (one, two):
            net[0].requires_grad_(step < 2)  # type: ignore[index]
            backward(net, step)
        for p in (*one[0].parameters(), *two[0].parameters()):  # type: ignore[index]
            p.grad = p.grad if step < 2 else None
        theirs.step()
        move()
    assert all(torch.equal(a, b) for a, b in zip(state(two, ours), state(one, theirs), strict=True))


def test_the_kernel_is_used_once_the_buffers_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, net, ours = pair({"momentum": 0.9})
    kernel, calls = subject.KERNEL, []
    monkeypatch.setattr(subject, "KERNEL", lambda *a, **k: (calls.append(1), kernel(*a, **k)))
    move = stepper(ours)
    for step in range(3):
        backward(net, step)
        move()
    assert len(calls) == 2 * len(ours.param_groups)  # the first step makes the buffers


def test_hooks_and_a_replaced_step_are_called() -> None:
    _, _, net, ours = pair({"momentum": 0.9})
    move, told = stepper(ours), []
    backward(net, 0)
    move()
    handle = ours.register_step_pre_hook(lambda *_: told.append("pre"))
    move()
    handle.remove()
    everywhere = register_optimizer_step_post_hook(lambda *_: told.append("post"))
    move()
    everywhere.remove()
    move()
    assert told == ["pre", "post"]
    ours.step = lambda: told.append("replaced")  # type: ignore[method-assign, assignment]
    move()
    assert told == ["pre", "post", "replaced"]


@pytest.mark.parametrize("kind", [optim.AdamW, optim.SGD])
def test_other_optimisers_step_as_ever(kind: Any) -> None:
    net = nn.Linear(3, 2)
    optimizer = kind(net.parameters(), lr=0.1)  # SGD: not in one kernel
    told: list[int] = []
    optimizer.step = lambda: told.append(1)
    stepper(optimizer)()
    assert told == [1]


def test_a_torch_without_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    one, theirs, two, ours = pair({"momentum": 0.9})
    monkeypatch.setattr(subject, "KERNEL", None)
    move = stepper(ours)
    for step in range(3):
        backward(one, step)
        backward(two, step)
        theirs.step()
        move()
    assert all(torch.equal(a, b) for a, b in zip(state(two, ours), state(one, theirs), strict=True))
