"""Trainings killed by SIGKILL at random moments, read, resumed, compared bit for bit.

    python benchmarks/kills.py [--kills 20] [--seed 0] [--json]

Small pictures in class folders, a net with batch norm and dropout, six recipes in turn: plain;
accumulation with a short last group, averaged weights, mixup and augmentation; the same read by
two processes; AdamW by a cosine; Adam with averaged weights; clipped gradients of accumulated
groups. A random step is drawn and up to a step's time after it the
process is killed, so that some die while a checkpoint is written. What is left must be readable by
`diagnose`, and the resumed run must end with every tensor of its checkpoint (weights, buffers,
optimiser, averages, random state) equal to that of a run nobody killed.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness import surroundings
from PIL import Image

import undertow as ut
from undertow.api.diagnose import diagnose
from undertow.train import checkpoint

PLAIN: dict[str, Any] = {
    "model": "conv", "depth": 3, "width": 8, "norm": "batch", "dropout": 0.2, "batch": 8,
    "lr": 0.05, "epochs": 3, "checkpoint_every": 3, "side": 16,
}  # fmt: skip
MANY = {
    **PLAIN, "batch": 4, "accumulate": 3, "ema": 0.9, "mixup": 0.2,
    "augment": "resized-crop,flip,jitter,erase",
}  # fmt: skip
RECIPES: dict[str, dict[str, Any]] = {
    "plain": PLAIN,
    "accumulate, ema, mixup, augment": MANY,
    "the same, 2 workers": {**MANY, "workers": 2},
    "adamw, cosine": {**PLAIN, "optimizer": "adamw", "lr": 0.01, "schedule": "cosine"},
    "adam, ema": {**PLAIN, "optimizer": "adam", "lr": 0.01, "ema": 0.9},
    "clip_norm, accumulate": {**PLAIN, "batch": 4, "accumulate": 3, "clip_norm": 0.5},
}
LATEST = 0.02  # seconds after the end of the step drawn


def pictures(home: Path) -> Path:
    """67 pictures of three classes: the last group of an epoch is a short one."""
    rng = np.random.default_rng(0)
    for at in range(67):
        path = home / f"class{at % 3}" / f"{at:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)).save(path)
    return home


def loaded() -> None:
    """What torch imports with the first optimiser, once here, not in every process that is killed.

    It is the most of a small training's time; on a busy machine a trial seemed to hang in it.
    """
    torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)


def child(work: Callable[[], object]) -> int:
    """A process that does it and ends; its number."""
    number = os.fork()
    if number:
        return number
    code = 1
    try:
        torch.set_num_threads(1)
        work()
        code = 0
    finally:
        os._exit(code)


def done(work: Callable[[], object]) -> bool:
    """Whether a process of its own did it to the end."""
    return os.waitpid(child(work), 0)[1] == 0


def killed(folder: Path, given: dict[str, Any], step: int, late: float) -> bool:
    """Start a training and kill it `late` seconds after a step; whether it died by that."""
    number = child(lambda: ut.train(run=folder, **given))
    metrics, seen = folder / "metrics.jsonl", -1
    last = folder / "checkpoints" / "last.json"
    while seen < step:
        if os.waitpid(number, os.WNOHANG) != (0, 0):
            return False  # it was faster
        seen = _step(last) if last.exists() and metrics.exists() else -1
        time.sleep(0.001)
    time.sleep(late)
    os.kill(number, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(number, 0)[1])


def _step(path: Path) -> int:
    return int(json.loads(path.read_text())["step"])


def same(one: Path, two: Path) -> bool:
    """Whether two checkpoints hold the same bits in the same layouts."""
    (a, _), (b, _) = checkpoint.load(one), checkpoint.load(two)
    alike = a.keys() == b.keys()
    return alike and all(torch.equal(a[k], b[k]) and a[k].stride() == b[k].stride() for k in a)


def trial(home: Path, name: str, number: int, rng: random.Random) -> dict[str, Any]:
    """One kill and one resume of a recipe."""
    whole, cut = home / f"whole-{name}", home / f"cut-{number}"
    given = {**RECIPES[name], "data": home / "pictures"}
    if not whole.exists() and not done(lambda: ut.train(run=whole, **given)):
        raise SystemExit(f"{name}: the training itself failed")
    total = _step(whole / "checkpoints" / "last.json")
    at, late = rng.randrange(0, total - 3), rng.random() * LATEST
    dead = killed(cut, given, at, late)
    left = _step(cut / "checkpoints" / "last.json")
    readable = dead and done(lambda: diagnose(cut).to_text())
    resumed = dead and done(lambda: ut.train(resume=cut))
    exact = resumed and same(whole, cut)
    return {"recipe": name, "killed": dead, "wanted": at, "checkpoint": left, "steps": total,
            "readable": readable, "resumed": resumed, "exact": exact}  # fmt: skip


def told(row: dict[str, Any]) -> None:
    """A trial in words, as it ends."""
    word = "exact" if row["exact"] else "NOT EXACT"
    line = f"{word:10} step {row['checkpoint']:3} of {row['steps']}  {row['recipe']}\n"
    sys.stdout.write(line)
    sys.stdout.flush()


def main() -> int:
    """Kill, resume, compare, print; 1 where one was not exact."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="one line")
    typed = parser.parse_args()
    rng, names = random.Random(typed.seed), list(RECIPES)
    loaded()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        pictures(home / "pictures")
        rows = []
        for i in range(typed.kills):
            rows.append(trial(home, names[i % len(names)], i, rng))
            if not typed.json:
                told(rows[-1])
    counts = {k: sum(r[k] for r in rows) for k in ("killed", "readable", "resumed", "exact")}
    if typed.json:
        found = {"title": "kills", **surroundings(), "kills": len(rows), **counts, "rows": rows}
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        sys.stdout.write(f"{counts['exact']} of {len(rows)} resumed bit for bit\n")
    return 0 if counts["exact"] == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
