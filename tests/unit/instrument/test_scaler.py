"""The scale of a gradient scaler is read at the step it makes; a fused step that skips is seen."""

import torch
from torch import nn

from undertow.instrument.scaler import loss_scale_now, skips


def test_the_scale_is_that_of_the_scaler_that_steps() -> None:
    net = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    seen: list[float] = []
    handle = optimizer.register_step_pre_hook(lambda *_: seen.append(loss_scale_now()))
    scaler = torch.amp.GradScaler("cpu", init_scale=1000.0)
    torch.optim.lr_scheduler.StepLR(optimizer, 1)  # wraps `step` once more
    scaler.scale(net(torch.ones(3, 2)).sum()).backward()
    scaler.step(optimizer)
    optimizer.step()
    handle.remove()
    assert seen == [1000.0, 1.0]


def test_a_fused_step_that_changes_nothing() -> None:
    net = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    assert not skips(optimizer)
    optimizer.found_inf = torch.tensor(1.0)  # type: ignore[attr-defined]  # as the scaler sets it
    assert skips(optimizer)
    optimizer.found_inf = torch.tensor(0.0)  # type: ignore[attr-defined]
    assert not skips(optimizer)
