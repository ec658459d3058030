"""What the training loop costs: a step of it over one of a hand-written loop, on a tiny net.

    python benchmarks/loop.py [--steps 3000] [--json]

The net is 32-64-10 on 6,400 samples in batches of 64, SGD with momentum: the smallest on which
anybody trains, so the most that a loop can cost. The hand-written loop draws a permutation an
epoch, indexes, steps, and reads the loss of every step, as the tutorials do. All arms train on one
thread and take turns of 20 steps, forwards and backwards, so that what else the machine does
reaches all alike; a ratio is of two turns side by side. The first 120 steps are the watch's start,
of which nine are sampled whatever they cost (no promise covers them): they are told apart, as CPU
milliseconds more than by hand. Then the gap between two epochs on digits: evaluation, two
checkpoints and the next permutation, in milliseconds.

Measured (last line of results/loop.jsonl, a machine at rest), as median of turns with their
quartiles: .961 [.896, 1.027] unwatched, 1.115 [1.047, 1.168] watched, the control 1.036; by the
sums of all turns .962, 1.135 and 1.043. A start of 22 ms more, a gap of 18 ms. The bar of 1.15 is
met by median and by sums.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles

import torch
from harness import Ratio, as_json
from torch import nn

from undertow.api.diagnose import report_of
from undertow.core.plan import TrainChoices
from undertow.data.arrays import Arrays
from undertow.instrument.watch import Watch
from undertow.nn.optimizer import can_fuse, from_choices
from undertow.train.fit import Job, fit

SAMPLES, FEATURES, UNITS, CLASSES, BATCH = 6400, 32, 64, 10, 64
TURN, START, LR = 20, 120, 0.01
ENDLESS = 10**6  # steps of a training that is left in its middle
Told = Callable[[], None]
Work = Callable[[Told], None]


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


def by_hand(step: Told) -> None:
    """The loop of the tutorials."""
    held = data()
    x, y = held.x[:], held.y
    net, optimizer = made()
    criterion = nn.CrossEntropyLoss()
    total = 0.0
    net.train()
    while True:
        for pick in torch.randperm(SAMPLES).split(BATCH):
            optimizer.zero_grad()
            loss = criterion(net(x[pick]), y[pick])
            loss.backward()
            optimizer.step()
            total += loss.item()
            step()


def ours(step: Told, folder: Path, *, watched: bool) -> None:
    """The same steps by `fit`."""
    held = data()
    net, _ = made()
    criterion = nn.CrossEntropyLoss()
    choices = TrainChoices(lr=LR, batch=BATCH, steps=ENDLESS, evaluate_every=ENDLESS)
    optimizer = from_choices(choices, net.parameters(), fused=can_fuse(net, "fp32"))
    part = held.take(torch.arange(CLASSES))
    job = Job(net, optimizer, held, part, choices, criterion, folder)
    with ExitStack() as stack:
        watch = None
        if watched:
            options = {"optimizer": optimizer, "loss": criterion, "run": folder, "told": True}
            watch = stack.enter_context(Watch(net, judge=report_of, **options))
        fit(job, watch, lambda _s, _e: step())


class Turns:
    """A loop that runs in a thread of its own, so many steps each time it is let.

    Attributes:
        seconds: CPU time of each turn; the first holds the loop's making too.
    """

    def __init__(self, work: Work) -> None:
        self.seconds: list[float] = []
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._steps, self._began = 0, 0.0
        threading.Thread(target=self._run, args=(work,), daemon=True).start()

    def _run(self, work: Work) -> None:
        self._go.acquire()
        self._began = time.thread_time()
        work(self._step)

    def _step(self) -> None:
        self._steps += 1
        if self._steps % TURN:
            return
        self.seconds.append(time.thread_time() - self._began)
        self._back.release()
        self._go.acquire()
        self._began = time.thread_time()

    def turn(self) -> None:
        """The next steps."""
        self._go.release()
        self._back.acquire()


def ratios(steps: int, home: Path) -> tuple[list[Ratio], dict[str, dict[str, float]]]:
    """Every loop's CPU time a turn over the hand-written one's; what each start took more, in ms.

    `of_sums` holds the ratios of all turns' sums: what comes rarely (judgements, the collector of
    garbage) counts in them as it does in a training.
    """
    works: dict[str, Work] = {
        "by hand": by_hand,
        "control": by_hand,
        "train, unwatched": lambda step: ours(step, home / "bare", watched=False),
        "train, watched": lambda step: ours(step, home / "watched", watched=True),
    }
    arms = {name: Turns(work) for name, work in works.items()}
    for number in range(steps // TURN):
        order = list(arms.values())
        for arm in order if number % 2 == 0 else order[::-1]:
            arm.turn()
    skip = START // TURN
    hand, *others = [(name, arm.seconds[skip:]) for name, arm in arms.items()]
    control = [its / mine for its, mine in zip(others[0][1], hand[1], strict=True)]
    found, sums = [], {}
    for name, seconds in others:
        each = [mine / its for mine, its in zip(seconds, hand[1], strict=True)]
        low, middle, high = quantiles(each, n=4)
        found.append(Ratio(name, middle, low, high, len(each), _calm(each, control)))
        sums[name] = sum(seconds) / sum(hand[1])
    first = {name: sum(arm.seconds[:skip]) for name, arm in arms.items()}
    start = {name: 1e3 * (seconds - first["by hand"]) for name, seconds in first.items()}
    return found, {"of_sums": sums, "start_ms": start}


def _calm(ratios: list[float], control: list[float]) -> float:
    """The median over the half of the turns in which the control stayed nearest to 1."""
    turns = sorted(range(len(control)), key=lambda i: abs(control[i] - 1))
    return median(ratios[i] for i in turns[: len(turns) // 2])


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
    parser.add_argument("--steps", type=int, default=3000, help="of each loop")
    parser.add_argument("--json", action="store_true", help="one line")
    given = parser.parse_args()
    torch.set_num_threads(1)
    gap = gap_ms()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        found, more = ratios(given.steps, Path(home))
    lines = [as_json("loop", found, {"steps": given.steps, **more, "epoch_gap_ms": gap})]
    if not given.json:
        lines = [f"a step of 32-64-10, batch {BATCH}, over a hand-written one's, from step {START}"]
        lines += [f"   {ratio}" for ratio in found]
        lines += [f"   {name:20} ×{r:.3f} of all turns" for name, r in more["of_sums"].items()]
        lines += [
            f"   {name:20} {ms:.0f} ms more up to step {START}"
            for name, ms in more["start_ms"].items()
        ]
        lines += [f"between two epochs on digits: {gap:.0f} ms"]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
    os._exit(0)  # the loops stand in their threads, without an end


if __name__ == "__main__":
    main()
