"""Fine-tuning on few images against scratch and frozen features: five classes to the other five.

    python benchmarks/transfer.py FOLDER [--out FILE.jsonl] [--runs FOLDER] [--seeds 5] [--json]

FOLDER holds `train/` and `test/` with the ten class folders of CIFAR-10 as JPEG, which is harder
than the original pixels. A ResNet-20 at 16 px is trained once on 10,000 images of the first five
classes; of the last five, 5, 20 and 100 images a class are drawn by each seed, and three arms see
the same ones for as many steps: the recipe of `--weights`, the card's own net from scratch
(warm-up, cosine), and a linear head on the stored features of the frozen body. Nothing is chosen
on the test images, which are looked at once, at the end. Trials in the file are not run again.
"""

import argparse
import json
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from undertow.api.prepare import prepared
from undertow.api.target import source
from undertow.api.train import completed
from undertow.core.plan import Plan, TrainChoices
from undertow.data.arrays import Arrays, load
from undertow.data.pixels import Memory, Pixels
from undertow.experiment.effect import interval
from undertow.nn.threads import single_threaded
from undertow.preflight import guarded
from undertow.train.fit import fit

MODEL, SIDE, KNOWN = "cifar_resnet20", 16, 5  # classes of the first training
EPOCHS = {5: 40, 20: 24, 100: 12}  # by images a class: 40, 96 and 120 steps
BASE_IMAGES, TEST_IMAGES = 2000, 300  # of each class
BATCH = {5: 25, 20: 25, 100: 50}
ARMS = ("fine-tuned", "scratch", "features")
BASE = TrainChoices(
    lr=0.1, batch=128, epochs=4, l2=5e-4, schedule="one-cycle", augment="shift,flip"
)


def decoded(data: Arrays) -> Arrays:
    """The images at the size, in memory, once."""
    assert isinstance(data.x, Pixels)
    images = data.x.sized((SIDE, SIDE))
    bytes_ = torch.stack([images.train(i, 0, 0, ()) for i in range(len(images))])
    x = Pixels(Memory(bytes_), torch.arange(len(bytes_)), 3, (SIDE, SIDE))
    return replace(data, x=x)


def of_classes(data: Arrays, first: int, most: int | None = None, seed: int = 0) -> Arrays:
    """The five classes from `first` on, renumbered; at most so many images of each, by seed."""
    g = torch.Generator().manual_seed(seed)
    picks = []
    for label in range(first, first + KNOWN):
        mine = (data.y == label).nonzero().flatten()
        picks.append(mine[torch.randperm(len(mine), generator=g)[:most]])
    part = decoded(data.take(torch.cat(picks)))
    names = data.names[first : first + KNOWN]
    return replace(part, y=part.y - first, classes=KNOWN, names=names)


def run(plan: Plan, train: Arrays, test: Arrays, folder: Path) -> float:
    """The share of the test images right after the last step."""
    data = replace(train, validation=test)
    plan = completed(plan, (), data, 0.1)
    job = prepared(source(plan, data), data, 0.1, plan.seed, folder)
    job = replace(job, choices=replace(job.choices, evaluate_every=job.total))
    with guarded(plan.seed), single_threaded():
        return float(fit(job, None).evaluations[-1].accuracy or 0.0)


def arm_of(name: str, weights: Path, images: int, seed: int) -> Plan:
    """The plan of an arm."""
    train = TrainChoices(batch=BATCH[images], epochs=EPOCHS[images], l2=5e-4)
    if name == "scratch":
        own = {"schedule": "cosine", "warm_up": EPOCHS[images] // 10, "augment": "shift,flip"}
        return Plan(MODEL, train=replace(train, **own), seed=seed)  # type: ignore[arg-type]
    train = replace(train, weights=str(weights))
    if name == "features":
        return Plan(MODEL, train=replace(train, cache_features=True), seed=seed)
    return Plan(MODEL, train=replace(train, augment="shift,flip"), seed=seed)


def base(train: Arrays, test: Arrays, folder: Path) -> float:
    """The share right of the first training; run once."""
    done = folder / "accuracy.json"
    if not done.is_file():
        many, held = of_classes(train, 0, BASE_IMAGES), of_classes(test, 0, TEST_IMAGES)
        right = run(Plan(MODEL, train=BASE), many, held, folder)
        done.write_text(json.dumps(right))
    return float(json.loads(done.read_text()))


def known(path: Path) -> list[dict[str, Any]]:
    """The trials in the file."""
    lines = path.read_text().splitlines() if path.is_file() else []
    return [json.loads(line) for line in lines]


def summary(trials: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Per number of images: mean share right of each arm, paired differences with intervals."""
    by = {(t["images"], t["arm"], t["seed"]): t["accuracy"] for t in trials}
    rows = []
    for images in EPOCHS:
        seeds = sorted({s for n, _, s in by if n == images})
        whole = [s for s in seeds if all((images, arm, s) in by for arm in ARMS)]
        if not whole:
            continue
        row: dict[str, Any] = {"images": images, "seeds": len(whole)}
        row |= {arm: fmean(by[images, arm, s] for s in whole) for arm in ARMS}
        for other in ARMS[1:]:
            gaps = [by[images, ARMS[0], s] - by[images, other, s] for s in whole]
            low, high = interval(gaps)
            word = "better" if low > 0 else "worse" if high < 0 else "not shown"
            row[f"over {other}"] = {"mean": fmean(gaps), "low": low, "high": high, "verdict": word}
        rows.append(row)
    return rows


def told(row: dict[str, Any]) -> str:
    """A row for people."""
    arms = ", ".join(f"{arm} {row[arm]:.1%}" for arm in ARMS)
    found = [f"over {o} {_gap(row[f'over {o}'])}" for o in ARMS[1:]]
    return (
        f"{row['images']:>3} a class: {arms}; fine-tuned {'; '.join(found)} ({row['seeds']} seeds)"
    )


def _gap(gap: dict[str, Any]) -> str:
    return f"{gap['mean']:+.3f} [{gap['low']:+.3f}, {gap['high']:+.3f}] {gap['verdict']}"


def main() -> None:
    """Run what is missing, print the table and its verdict."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/transfer.jsonl"))
    parser.add_argument("--runs", type=Path, default=Path("runs") / "transfer")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    typed = parser.parse_args()
    whole = load(str(typed.folder))
    assert whole.test is not None
    train, test = replace(whole, validation=None, test=None), whole.test
    held = of_classes(test, KNOWN, TEST_IMAGES)
    first = base(train, test, typed.runs / "base")
    there = {(t["images"], t["arm"], t["seed"]) for t in known(typed.out)}
    for images, seed, name in product(EPOCHS, range(typed.seeds), ARMS):
        if (images, name, seed) in there:
            continue
        plan = arm_of(name, typed.runs / "base", images, seed)
        few = of_classes(train, KNOWN, images, seed)
        right = run(plan, few, held, typed.runs / f"{images}-{name}-{seed}")
        line = {"images": images, "arm": name, "seed": seed, "accuracy": round(right, 4)}
        with typed.out.open("a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")
    rows = summary(known(typed.out))
    if typed.json:
        sys.stdout.write(json.dumps({"base": first, "rows": rows}) + "\n")
        return
    head = f"{MODEL} at {SIDE} px, five classes: {first:.1%} right on their test images"
    sys.stdout.write("\n".join([head, *map(told, rows)]) + "\n")


if __name__ == "__main__":
    main()
