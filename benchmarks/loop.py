"""What the training loop costs: a step of it over one of a hand-written loop, on a tiny net.

    python benchmarks/loop.py [--rounds 20] [--json]

The net is 32-64-10 on 6,400 samples in batches of 64, SGD with momentum: the smallest on which
anybody trains, so the most that a loop can cost. The hand-written loop draws a permutation an
epoch, indexes, steps, and reads the loss of every step, as the tutorials do. All arms train on one
thread. Then the gap between two epochs on digits: evaluation, two checkpoints and the next
permutation, in milliseconds.

Measured (results/loop.jsonl, 12 rounds on a busy machine): 1.10 [1.04, 1.20] unwatched, 1.41
[1.35, 1.56] watched, the control .98 [.93, .99]; a gap of 83 ms. Unwatched is inside 1.15 by its
median, not by its interval; on so small a net the watch is not.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count, pairwise
from pathlib import Path
from statistics import median

import torch
from harness import Arm, Ratio, as_json, interleave
from torch import nn

from undertow.api.diagnose import report_of
from undertow.core.plan import TrainChoices
from undertow.data.arrays import Arrays
from undertow.instrument.watch import Watch
from undertow.nn.optimizer import can_fuse, from_choices
from undertow.train.fit import Job, fit

SAMPLES, FEATURES, UNITS, CLASSES, BATCH = 6400, 32, 64, 10, 64
STEPS, LR = 2000, 0.01
Work = Callable[[Path], None]


def data() -> Arrays:
    """Random vectors with random labels: what is learnt does not matter here."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(SAMPLES, FEATURES, generator=g)
    y = torch.randint(0, CLASSES, (SAMPLES,), generator=g)
    return Arrays("random", x, y, CLASSES, False)


def made() -> tuple[nn.Module, torch.optim.Optimizer]:
    """The net and its optimiser."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(FEATURES, UNITS), nn.ReLU(), nn.Linear(UNITS, CLASSES))
    return net, torch.optim.SGD(net.parameters(), lr=LR, momentum=0.9)


def by_hand(_: Path) -> None:
    """The loop of the tutorials."""
    held = data()
    x, y = held.x[:], held.y
    net, optimizer = made()
    criterion = nn.CrossEntropyLoss()
    done, total = 0, 0.0
    net.train()
    while done < STEPS:
        for pick in torch.randperm(SAMPLES).split(BATCH):
            optimizer.zero_grad()
            loss = criterion(net(x[pick]), y[pick])
            loss.backward()
            optimizer.step()
            total += loss.item()
            done += 1


def ours(folder: Path, *, watched: bool) -> None:
    """The same steps by `fit`, with one small evaluation at the end."""
    held = data()
    net, _ = made()
    criterion = nn.CrossEntropyLoss()
    choices = TrainChoices(lr=LR, batch=BATCH, steps=STEPS, evaluate_every=STEPS)
    optimizer = from_choices(choices, net.parameters(), fused=can_fuse(net, "fp32"))
    part = held.take(torch.arange(CLASSES))
    job = Job(net, optimizer, held, part, choices, criterion, folder)
    with ExitStack() as stack:
        watch = None
        if watched:
            options = {"optimizer": optimizer, "loss": criterion, "run": folder, "told": True}
            watch = stack.enter_context(Watch(net, judge=report_of, **options))
        fit(job, watch)


def arm(work: Work, home: Path, numbers: Iterator[int]) -> Arm:
    """A block of steps into a folder of its own."""
    return lambda: work(home / str(next(numbers)))


def ratios(rounds: int) -> list[Ratio]:
    """Every loop's CPU time over the hand-written one's."""
    numbers = count()
    with tempfile.TemporaryDirectory() as home:
        arms = {
            "by hand": arm(by_hand, Path(home), numbers),
            "control": arm(by_hand, Path(home), numbers),
            "train, unwatched": arm(lambda f: ours(f, watched=False), Path(home), numbers),
            "train, watched": arm(lambda f: ours(f, watched=True), Path(home), numbers),
        }
        return interleave(arms, rounds)


def gap_ms() -> float:
    """Milliseconds between an epoch's last step and the next one's first, on digits: median."""
    marks: list[tuple[float, bool]] = []
    with tempfile.TemporaryDirectory() as home:
        from undertow.api.prepare import prepared
        from undertow.api.target import source
        from undertow.api.train import trained
        from undertow.core.plan import Plan
        from undertow.data.arrays import load

        digits = load("digits")
        plan = Plan("mlp", train=TrainChoices(epochs=8))
        job = prepared(source(plan, digits), digits, 0.1, 0, Path(home) / "run")
        trained(job, each=lambda _s, e: marks.append((time.perf_counter(), e is not None)))
    spans = [(b[0] - a[0], b[1]) for a, b in pairwise(marks)]
    step = median(s for s, evaluated in spans if not evaluated)
    return 1e3 * median(s - step for s, evaluated in spans[len(spans) // 4 :] if evaluated)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", action="store_true", help="one line")
    given = parser.parse_args()
    torch.set_num_threads(1)
    found, gap = ratios(given.rounds), gap_ms()
    if given.json:
        sys.stdout.write(as_json("loop", found, {"steps": STEPS, "epoch_gap_ms": gap}) + "\n")
        return
    lines = [f"a step of 32-64-10, batch {BATCH}, over a hand-written one's"]
    lines += [f"   {ratio}" for ratio in found]
    lines += [f"between two epochs on digits: {gap:.0f} ms"]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
