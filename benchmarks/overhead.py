"""What the watch costs: watched steps over bare ones of the same model object.

    python benchmarks/overhead.py [--rounds 20] [--nets "digits CNN,resnet50"] [--json]

For each net that trains: the ratio of one sampled step (`every=1`), of a whole watched training at
the default budget behind its start, and the control (bare over bare); then the cost by count: the
extra of a sampled step over the steps it is spread on, and what the first watched step costs. For
the pre-flight: one forward and backward with its statistics over a bare one, on ResNet-50 and
-152. All on one thread.
"""

import argparse
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from statistics import median

import torch
from harness import Arm, as_json, interleave
from torch import nn

import undertow as ut
from undertow.diagnosis.engine import diagnose
from undertow.instrument.probe import Probe
from undertow.instrument.schedule import START
from undertow.instrument.watch import Watch

BLOCK, ROWS = 10, 4  # steps of a block of sampled steps; rows that a block of a run holds


def digits_cnn() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """A convolutional net for 8 by 8 pictures, 12 leaf modules, batch 64."""
    parts: list[nn.Module] = []
    for c_in, width in ((1, 32), (32, 32), (32, 32)):
        parts += [nn.Conv2d(c_in, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
    net = nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))
    return net, torch.randn(64, 1, 8, 8), torch.randint(0, 10, (64,))


def deep_mlp() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """20 linear layers of 256 units, batch 128."""
    parts: list[nn.Module] = []
    for _ in range(20):
        parts += [nn.Linear(256, 256), nn.ReLU()]
    return nn.Sequential(*parts, nn.Linear(256, 10)), torch.randn(128, 256), _labels(128)


def _labels(n: int) -> torch.Tensor:
    return torch.randint(0, 10, (n,))


class Bench:
    """One net, one optimiser; every arm trains the same objects."""

    def __init__(self, make: Callable[[], tuple[nn.Module, torch.Tensor, torch.Tensor]]) -> None:
        torch.manual_seed(0)
        self.net, self.x, self.y = make()
        self.loss = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=1e-3, momentum=0.9)

    def watch(self, **options: int) -> Watch:
        """A watch of this net in memory, its start plan behind it."""
        made = Watch(self.net, optimizer=self.optimizer, loss=self.loss, judge=diagnose, **options)
        self.arm(START[-1] + 10, made)()
        return made

    def arm(self, steps: int, watch: AbstractContextManager[object] | None = None) -> Arm:
        """A block of training steps, watched or bare."""

        def block() -> None:
            with watch or nullcontext():
                for _ in range(steps):
                    self.optimizer.zero_grad()
                    self.loss(self.net(self.x), self.y).backward()
                    self.optimizer.step()

        return block

    def seconds(self, steps: int) -> float:
        """Median CPU seconds of a bare step over a few blocks."""
        found = []
        for _ in range(5):
            began = time.process_time()
            self.arm(steps)()
            found.append((time.process_time() - began) / steps)
        return median(found)

    def first_step(self) -> float:
        """CPU seconds of a watch's making and its first step, hooks and allocations included."""
        began = time.process_time()
        made = Watch(self.net, optimizer=self.optimizer, loss=self.loss, judge=diagnose)
        self.arm(1, made)()
        return time.process_time() - began

    def passes(self, probe: Probe | None = None) -> Arm:
        """One forward and backward, with the statistics of the pre-flight or bare."""

        def block() -> None:
            self.net.zero_grad(set_to_none=True)
            with probe.sampling() if probe else nullcontext():
                self.loss(self.net(self.x), self.y).backward()
            if probe:
                probe.read(0)

        return block


def measure(name: str, bench: Bench, rounds: int, *, as_lines: bool) -> None:
    """Print the ratios of one net."""
    bench.arm(50)()
    each = bench.watch(every=1)
    sampled = interleave(
        {
            "bare": bench.arm(BLOCK),
            "control": bench.arm(BLOCK),
            "sampled step": bench.arm(BLOCK, each),
        },
        rounds,
    )
    usual = bench.watch()
    steps = ROWS * usual.gap
    whole = interleave(
        {"bare": bench.arm(steps), "control": bench.arm(steps), "watched": bench.arm(steps, usual)},
        max(2, rounds // 5),
    )
    bare = bench.seconds(BLOCK)
    extra = (sampled[-1].median - 1) * bare  # of one run, not of two timings apart
    gap = usual.gap
    first = bench.first_step() - bare
    more = {"bare_ms": 1e3 * bare, "extra_ms": 1e3 * extra, "gap": gap, "first_ms": 1e3 * first}
    count = extra / (gap * bare)
    lines = [as_json(name, [*sampled, *whole], {**more, "by_count": count})]
    if not as_lines:
        lines = [f"{name}: a bare step takes {1e3 * bare:.2f} ms"]
        lines += [f"   {ratio}" for ratio in (*sampled, *whole)]
        lines += [f"   by count: {1e3 * extra:.2f} ms every {gap} steps = {100 * count:.2f} %"]
        lines += [f"   first watched step: {1e3 * first:.2f} ms more than a bare one"]
    sys.stdout.write("\n".join(lines) + "\n")


def before_training(name: str, bench: Bench, rounds: int, *, as_lines: bool) -> None:
    """Print what the statistics of the pre-flight cost: a probed pass over a bare one."""
    arms = {
        "bare": bench.passes(),
        "control": bench.passes(),
        "statistics": bench.passes(Probe(bench.net)),
    }
    found = interleave(arms, rounds)
    lines = [as_json(f"pre-flight {name}", found, {})]
    if not as_lines:
        lines = [f"pre-flight {name}: one forward and backward", *(f"   {r}" for r in found)]
    sys.stdout.write("\n".join(lines) + "\n")


def published(name: str) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """A published net on four pictures of 224 pixels; two are the fewest a norm allows."""
    return ut.build(name, classes=10, seed=0).train(), torch.randn(4, 3, 224, 224), _labels(4)


def small_resnet() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """ResNet-18 on 32 pictures of 64 pixels."""
    return ut.build("resnet18", classes=10, seed=0), torch.randn(32, 3, 64, 64), _labels(32)


WATCHED = {"digits CNN": digits_cnn, "MLP 20x256": deep_mlp, "ResNet-18": small_resnet}
CHECKED = ("resnet50", "resnet152")


def main() -> None:
    """Measure every net."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", action="store_true", help="one line a net")
    parser.add_argument("--nets", default="", help="names with commas; all unless given")
    given = parser.parse_args()
    torch.set_num_threads(1)
    chosen = given.nets.split(",") if given.nets else [*WATCHED, *CHECKED]
    for name in chosen:
        if name in CHECKED:
            made = Bench(partial(published, name))
            before_training(name, made, max(2, given.rounds // 4), as_lines=given.json)
        else:
            measure(name, Bench(WATCHED[name]), given.rounds, as_lines=given.json)


if __name__ == "__main__":
    main()
