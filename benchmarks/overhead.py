"""What the watch costs: watched steps over bare ones of the same model object.

    python benchmarks/overhead.py [--rounds 20] [--json]

For each net: the ratio of one sampled step (`every=1`), of a whole watched training at the default
budget behind its start, and the control (bare over bare); then the cost by count: the extra of a
sampled step over the steps it is spread on. All on one thread.
"""

import argparse
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from statistics import median

import torch
from harness import Arm, as_json, interleave
from torch import nn

from undertow.diagnosis.engine import diagnose
from undertow.instrument.schedule import START
from undertow.instrument.watch import Watch

BLOCK, LONG = 10, 250  # steps of a block: of sampled steps; of a run that holds several rows


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

    def seconds(self, steps: int, watch: Watch | None = None) -> float:
        """Median CPU seconds of a step over a few blocks."""
        found = []
        for _ in range(5):
            began = time.process_time()
            self.arm(steps, watch)()
            found.append((time.process_time() - began) / steps)
        return median(found)


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
    whole = interleave(
        {"bare": bench.arm(LONG), "control": bench.arm(LONG), "watched": bench.arm(LONG, usual)},
        max(2, rounds // 5),
    )
    bare = bench.seconds(BLOCK)
    extra = bench.seconds(BLOCK, each) - bare
    gap = usual.gap
    more = {"bare_ms": 1e3 * bare, "extra_ms": 1e3 * extra, "gap": gap}
    count = extra / (gap * bare)
    lines = [as_json(name, [*sampled, *whole], {**more, "by_count": count})]
    if not as_lines:
        lines = [f"{name}: a bare step takes {1e3 * bare:.2f} ms"]
        lines += [f"   {ratio}" for ratio in (*sampled, *whole)]
        lines += [f"   by count: {1e3 * extra:.2f} ms every {gap} steps = {100 * count:.2f} %"]
    sys.stdout.write("\n".join(lines) + "\n")


def main() -> None:
    """Measure every net."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", action="store_true", help="one line a net")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for name, make in (("digits CNN", digits_cnn), ("MLP 20x256", deep_mlp)):
        measure(name, Bench(make), given.rounds, as_lines=given.json)


if __name__ == "__main__":
    main()
