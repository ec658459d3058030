"""On a GPU: the same statistics as on the CPU, nothing changed by the watch, no wait in a hook."""

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import undertow as ut
from undertow.api.prepare import prepared
from undertow.api.resume import Again, resumed
from undertow.api.target import source
from undertow.api.train import trained
from undertow.core.plan import Plan, TrainChoices
from undertow.data.arrays import Arrays
from undertow.train.job import Job, Limits

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU"),
]
DEVICE = torch.device("cuda")
CPU = torch.device("cpu")
STATS = ("act_rms", "spread", "grad_l2", "wgrad_l2", "update_ratio", "dead")


@contextmanager
def deterministic() -> Iterator[None]:
    """Algorithms that give the same bits every time."""
    before = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = before


@pytest.fixture(autouse=True)
def _fp32_is_fp32() -> Iterator[None]:
    """Products without TF32, which has ten bits of mantissa."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def net() -> nn.Module:
    made: nn.Module = ut.build("conv", depth=6, width=16, in_channels=3, classes=4, seed=0)
    return made


def batch(device: torch.device) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(32, 3, 16, 16, generator=g), torch.randint(4, (32,), generator=g)
    return x.to(device), y.to(device)


def stepped(
    device: torch.device, steps: int, *, watch: bool, bf16: bool = False
) -> tuple[nn.Module, "ut.Report | None"]:
    """A net after a few steps on one batch, and what the watch saw."""
    made, (x, y) = net().to(device), batch(device)
    optimizer = torch.optim.SGD(made.parameters(), lr=0.01, momentum=0.9)
    context = ut.watch(made, optimizer=optimizer, loss="cross-entropy", every=1) if watch else None
    with context if context is not None else nullcontext():
        for _ in range(steps):
            optimizer.zero_grad()
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                loss = nn.functional.cross_entropy(made(x), y)
            loss.backward()
            optimizer.step()
            if context is not None:
                context.loss(loss.detach(), y)
    return made, None if context is None else context.report()


@pytest.mark.parametrize(("bf16", "near"), [(False, 1e-3), (True, 2e-2)])
def test_statistics_are_those_of_the_cpu(bf16: bool, near: float) -> None:
    _, here = stepped(DEVICE, 1, watch=True, bf16=bf16)
    _, there = stepped(CPU, 1, watch=True, bf16=bf16)
    assert here is not None
    assert there is not None
    assert [y.path for y in here.layers] == [y.path for y in there.layers]
    for a, b in zip(here.layers, there.layers, strict=True):
        for stat in STATS:
            one, other = getattr(a, stat), getattr(b, stat)
            assert (one is None) == (other is None), (a.path, stat)
            if one is not None:
                assert math.isclose(one, other, rel_tol=near, abs_tol=1e-6), (a.path, stat)


def test_a_watched_net_has_the_same_bits() -> None:
    with deterministic():
        bare, _ = stepped(DEVICE, 5, watch=False)
        seen, _ = stepped(DEVICE, 5, watch=True)
    states = zip(bare.state_dict().values(), seen.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in states)


@pytest.mark.parametrize("every", [1, 1000])
def test_no_hook_waits_for_the_device(every: int) -> None:
    made, (x, y) = net().to(DEVICE), batch(DEVICE)
    optimizer = torch.optim.SGD(made.parameters(), lr=0.01)
    with ut.watch(made, optimizer=optimizer, loss="cross-entropy", every=every):
        for step in range(12):
            optimizer.zero_grad()
            torch.cuda.set_sync_debug_mode("error" if step > 10 else "default")
            try:
                nn.functional.cross_entropy(made(x), y).backward()
            finally:
                torch.cuda.set_sync_debug_mode("default")
            optimizer.step()


def test_evaluation_and_explanation_are_those_of_the_cpu() -> None:
    from undertow.use.gradcam import gradcam

    x, y = batch(CPU)
    here, there = (ut.evaluate(net().to(d), (x, y)) for d in (DEVICE, CPU))
    assert here.confusion == there.confusion
    assert here.mean_loss == pytest.approx(there.mean_loss, rel=1e-4)
    one, other = (gradcam(net().to(d), x[:1].to(d), 1).map.cpu() for d in (DEVICE, CPU))
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def job(folder: Path, steps: int) -> Job:
    """A training whose net is on the device."""
    x, y = batch(CPU)
    data = Arrays("made", x, y, 4, False)
    plan = Plan("conv", sizes=(("depth", 4), ("width", 8)),
                train=TrainChoices(steps=4, batch=8, precision="fp32"))  # fmt: skip
    limits = Limits(budget_s=0.0 if steps == 1 else None)  # a step, then its time is over
    made = prepared(source(plan, data), data, 0.25, 0, folder, limits)
    made.net.to(DEVICE)
    return made


def test_a_resumed_training_has_the_same_bits(tmp_path: Path) -> None:
    with deterministic():
        whole = job(tmp_path / "whole", 4)
        trained(whole)
        trained(job(tmp_path / "cut", 1))
        x, y = batch(CPU)
        rest = resumed(Again(tmp_path / "cut", data=Arrays("made", x, y, 4, False)), {})
        rest.net.to(DEVICE)
        trained(rest)
    states = zip(whole.net.state_dict().values(), rest.net.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in states)
