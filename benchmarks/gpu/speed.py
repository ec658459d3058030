"""ResNet-50 images a second: training and inference, arm beside arm in one process.

Every arm has its own net of the same weights. The clock is the wall's with the device idle at both
ends of a block; arms are interleaved, and what is quoted is the median over the rounds.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from statistics import quantiles
from time import perf_counter
from typing import Any

import torch
from harness import interleave
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import undertow as ut

CLASSES = 10  # labels drawn; a net may have more outputs


@dataclass(frozen=True)
class Load:
    """What every arm computes.

    Attributes:
        device: it runs on.
        net: name of the card.
        batch: images.
        side: pixels.
        passes: steps or forward passes of a block.
        rounds: blocks an arm is timed for, twice each.
        compiled: whether arms through torch.compile are among them.
    """

    device: torch.device
    net: str
    batch: int
    side: int
    passes: int
    rounds: int
    compiled: bool


@dataclass(eq=False)
class Arm:
    """One way of computing; calling it is a block, whose seconds are kept."""

    load: Load
    work: Callable[[], None]
    seconds: list[float] = field(default_factory=list)

    def __call__(self) -> None:
        """A timed block."""
        synchronise(self.load.device)
        began = perf_counter()
        for _ in range(self.load.passes):
            self.work()
        synchronise(self.load.device)
        self.seconds.append(perf_counter() - began)

    def rates(self) -> dict[str, float]:
        """Images a second, median and quartiles; the first two blocks warm up."""
        images = self.load.batch * self.load.passes
        low, middle, high = quantiles([images / s for s in self.seconds[2:]], n=4)
        return {"images_per_second": middle, "low": low, "high": high}


def synchronise(device: torch.device) -> None:
    """Wait until the device has nothing to do."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def training(load: Load) -> dict[str, Any]:
    """Training steps: bf16 channels_last first, its control second."""
    base = partial(_step_arm, load)
    arms = {
        "bf16 channels_last": base(),
        "control: the same again": base(),
        "bf16 NCHW": base(last=False),
        "fp32 channels_last": base(bf16=False),
        "watched": base(watched=True),
    }
    if _torchvision(load) is not None:
        arms["torchvision, bf16 channels_last"] = base(net=_torchvision(load))
    if load.compiled:
        arms["compiled"] = base(compiled=True)
    return _measured(f"speed/training/b{load.batch}", arms, load)


def inference(load: Load) -> dict[str, Any]:
    """Forward passes in eval mode: bf16 channels_last first, its control second."""
    base = partial(_forward_arm, load)
    arms = {
        "bf16 channels_last": base(),
        "control: the same again": base(),
        "bf16 NCHW": base(last=False),
        "fp32 channels_last": base(bf16=False),
    }
    if _torchvision(load) is not None:
        arms["torchvision, bf16 channels_last"] = base(net=_torchvision(load))
    if load.compiled:
        arms["compiled"] = base(compiled=True)
    return _measured(f"speed/inference/b{load.batch}", arms, load)


def _measured(task: str, arms: dict[str, Arm], load: Load) -> dict[str, Any]:
    ratios = interleave(arms, load.rounds, perf_counter)
    return {
        "task": task,
        "net": load.net,
        "side": load.side,
        "batch": load.batch,
        "arms": {name: arm.rates() for name, arm in arms.items()},
        "time_over_first": [asdict(r) for r in ratios],
        "peak_memory_bytes": _peak(load.device),
    }


def _peak(device: torch.device) -> int | None:
    return torch.cuda.max_memory_allocated() if device.type == "cuda" else None


def _net(load: Load, net: nn.Module | None, last: bool) -> nn.Module:
    made = ut.build(load.net, seed=0) if net is None else net
    made = made.to(load.device)
    return made.to(memory_format=torch.channels_last) if last else made


def _images(load: Load, last: bool) -> tuple[Tensor, Tensor]:
    """Synthetic images on the device: no loader is measured."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(load.batch, 3, load.side, load.side, generator=g).to(load.device)
    y = torch.randint(CLASSES, (load.batch,), generator=g).to(load.device)
    return (x.to(memory_format=torch.channels_last) if last else x), y


def _cast(load: Load, bf16: bool) -> Callable[[], AbstractContextManager[object]]:
    if not bf16:
        return nullcontext
    return partial(torch.autocast, load.device.type, dtype=torch.bfloat16)


def _step_arm(
    load: Load,
    *,
    net: nn.Module | None = None,
    last: bool = True,
    bf16: bool = True,
    compiled: bool = False,
    watched: bool = False,
) -> Arm:
    """Forward, backward and an SGD step with momentum."""
    made = _net(load, net, last).train()
    x, y = _images(load, last)
    optimizer = torch.optim.SGD(
        made.parameters(), lr=1e-3, momentum=0.9, fused=load.device.type == "cuda"
    )
    call: Any = torch.compile(made) if compiled else made
    cast = _cast(load, bf16)
    watch = (
        ut.watch(made, optimizer=optimizer, loss="cross-entropy").__enter__() if watched else None
    )

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with cast():
            loss = cross_entropy(call(x), y)
        loss.backward()
        optimizer.step()
        if watch is not None:
            watch.loss(loss.detach(), y)

    return Arm(load, step)


def _forward_arm(
    load: Load,
    *,
    net: nn.Module | None = None,
    last: bool = True,
    bf16: bool = True,
    compiled: bool = False,
) -> Arm:
    """A forward pass without a graph; weights are converted once."""
    made = _net(load, net, last).eval()
    x, _ = _images(load, last)
    if bf16:
        made, x = made.bfloat16(), x.bfloat16()
    call: Any = torch.compile(made) if compiled else made

    def forward() -> None:
        with torch.inference_mode():
            call(x)

    return Arm(load, forward)


def _torchvision(load: Load) -> nn.Module | None:
    """Its net of that name, where it has one and a torchvision that fits this torch is there."""
    try:
        from torchvision import models
    except (ImportError, RuntimeError, AttributeError, OSError):
        return None
    build = getattr(models, load.net, None)
    made: nn.Module | None = None if build is None else build(weights=None)
    return made
