"""ResNet-20 on the JPEG copy of CIFAR-10 for a bounded number of CPU minutes: the curve.

    python benchmarks/cifar10.py FOLDER [--minutes 4] [--run runs/cifar10] [--json]

FOLDER holds `train/` and `test/` with class folders. The JPEG copy is harder than the original
pixels, so the figures stand beside our own only. The rate follows one cycle over the steps that
fit the minutes of CPU time, measured on the first ones, so that a busy machine cuts no cycle short;
the test part is looked at once, at the end.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import torch

from undertow.api.prepare import fitted, prepared
from undertow.api.target import source
from undertow.api.train import trained
from undertow.core.plan import Plan, TrainChoices
from undertow.core.run import Run
from undertow.data.arrays import Arrays, load
from undertow.data.pixels import Pixels
from undertow.train.evaluation import evaluate
from undertow.train.fit import Job

MODEL, BATCH, PROBE = "cifar_resnet20", 128, 12
SPARE = 0.85  # share of the time that steps get; the rest evaluates
LOOKS = 12  # points of the curve


def job(data: Arrays, steps: int, folder: Path) -> Job:
    """The training of so many steps."""
    choices = TrainChoices(
        lr=0.2,
        batch=BATCH,
        l2=5e-4,
        steps=steps,
        schedule="one-cycle",
        augment="shift,flip",
        evaluate_every=max(1, steps // LOOKS),
    )
    made = source(Plan(MODEL, train=choices, seed=0), data)
    return prepared(made, data, 0.1, 0, folder)


def seconds_a_step(data: Arrays, folder: Path) -> float:
    """CPU seconds of a few steps, the first ones left out."""
    marks: list[float] = []
    short = data.take(torch.arange(0, len(data.x), 20))
    trained(job(short, PROBE, folder), each=lambda _s, _e: marks.append(time.process_time()))
    inner = sorted(b - a for a, b in pairwise(marks[1:]))
    return inner[len(inner) // 2]


def read(data: Arrays) -> None:
    """Read every image once: they stay in memory, so that the minutes are those of training."""
    for part in (data, data.test):
        if part is not None and isinstance(part.x, Pixels):
            for at in range(len(part.x)):
                part.x.raw(at)


def main() -> None:
    """Train, evaluate on the test part once, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--run", type=Path, default=Path("runs") / "cifar10")
    parser.add_argument("--json", action="store_true")
    typed = parser.parse_args()
    data = fitted(load(str(typed.folder)), MODEL)
    read(data)
    began = time.process_time()
    pace = seconds_a_step(data, typed.run.with_name(typed.run.name + "-pace"))
    steps = max(PROBE, int(SPARE * typed.minutes * 60 / pace))
    made = job(data, steps, typed.run)
    run = trained(made)
    told(run, made, data, time.process_time() - began, as_json=typed.json)


def told(run: Run, made: Job, data: Arrays, seconds: float, *, as_json: bool) -> None:
    """The curve, and the test part's result."""
    assert data.test is not None
    assert isinstance(data.test.x, Pixels)
    test = replace(data.test, x=replace(data.test.x, scale=made.train.scale))
    final = evaluate(made.net, test, made.loss_fn, len(run.metrics))
    if as_json:
        held = {
            "title": "cifar10-jpg resnet20",
            "torch": torch.__version__,
            "steps": len(run.metrics),
        }
        held |= {"precision": made.choices.precision, "cpu_seconds": seconds}
        held |= {"test": asdict(final), "curve": [asdict(e) for e in run.evaluations]}
        said(json.dumps(held))
        return
    samples = len(made.train.x)
    for e in run.evaluations:
        said(f"step {e.step:5}  epoch {e.step * BATCH / samples:5.2f}  held-back {e.accuracy:.2%}")
    said(f"test {final.accuracy:.2%} of {final.samples}, {seconds:.0f} CPU seconds")


def said(line: str) -> None:
    """One line on stdout."""
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
