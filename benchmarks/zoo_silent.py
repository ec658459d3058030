"""The second false-alarm set: published nets with their own initialisation must be silent.

    python benchmarks/zoo_silent.py [--models resnet18,vgg11_bn] [--seeds 3] [--minutes 60]
        [--runs runs/zoo-silent] [--out benchmarks/results/zoo-silent.jsonl] [--judge]

Each net is built in its published form with ten classes and trained for 100 steps under the watch
with SGD and with Adam, batch 8, at its smallest legal size of 64 pixels or more, on pictures drawn
once by the seed: 64 of them, ten classes whose pictures differ in colour, so that there is
something to learn. Every finding at the end is a false alarm, with one exception: a row whose own
longer training (600 steps) does not leave chance either is no healthy net. That training is then
run; it is the label of the row, which is counted apart.

Run folders stay under --runs: a row is judged from its folder, `--judge` judges all of them by the
rules of the day and trains only what a new finding needs for its label.
"""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean, median
from typing import Any

import torch
from harness import surroundings
from torch import Tensor, nn, optim

import undertow as ut
from undertow.models import card

MODELS = (  # one depth a family, both Inceptions, and a bottleneck
    *("resnet18", "alexnet", "googlenet", "vgg11_bn", "cifar_resnet20", "vgg11", "inception_v3"),
    "resnet50",
)
OUT, RUNS = "benchmarks/results/zoo-silent.jsonl", "runs/zoo-silent"
STEPS, LONG, BATCH, CLASSES, PICTURES = 100, 600, 8, 10, 64
SIZES = (64, 75, 96, 128, 224)  # pixels: the smallest of these that the net takes
CHANCE = 0.9  # share of the constant answer's loss that is no better than guessing
RIGHT = 1 / CLASSES + 0.25 * (1 - 1 / CLASSES)  # share of right answers that is no guessing
LAST = 20  # steps at the end of a training that say how far it got
ADAM = 1e-3  # Adam's usual rate (Kingma & Ba 2015, sec. 2)
OPTIMIZERS = ("sgd", "adam")


def optimizer_of(word: str, name: str, net: nn.Module) -> optim.Optimizer:
    """SGD at the card's own rate, scaled to this batch (Goyal et al. 2017, sec. 2.1), or Adam."""
    if word == "adam":
        return optim.Adam(net.parameters(), lr=ADAM)
    own = card(name).train
    rate = (own.lr or 0.01) * BATCH / own.batch
    return optim.SGD(net.parameters(), lr=rate, momentum=0.9, weight_decay=own.l2)


def pictures(size: int, seed: int) -> tuple[Tensor, Tensor]:
    """Noise of unit variance, tinted by its class: (64, 3, size, size) and labels."""
    g = torch.Generator().manual_seed(seed)
    y = torch.arange(PICTURES) % CLASSES
    tint = torch.randn(CLASSES, 3, 1, 1, generator=g)
    return torch.randn(PICTURES, 3, size, size, generator=g) + tint[y], y


def batches(x: Tensor, y: Tensor, steps: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of eight in an order drawn by the seed."""
    g = torch.Generator().manual_seed(seed)
    order = torch.cat([torch.randperm(PICTURES, generator=g) for _ in range(steps)])
    for at in order[: steps * BATCH].split(BATCH):
        yield x[at], y[at]


def built(name: str, seed: int) -> tuple[nn.Module, int]:
    """The published net with ten classes, and the smallest size it takes."""
    for size in SIZES:
        net = ut.build(name, classes=CLASSES, seed=seed)
        try:
            net.train()(torch.zeros(2, 3, size, size))
        except (RuntimeError, ValueError, ut.UndertowError):
            continue
        return ut.build(name, classes=CLASSES, seed=seed), size
    raise SystemExit(f"{name} takes none of {SIZES}")


def setting(name: str, word: str, seed: int) -> tuple[nn.Module, optim.Optimizer, Any, int]:
    """Net, optimiser, an endless row of batches and the picture size; seeded."""
    net, size = built(name, seed)
    x, y = pictures(size, seed)
    torch.manual_seed(seed)
    optimizer = optimizer_of(word, name, net.train())
    return net, optimizer, batches(x, y, LONG, seed), size


def watched(name: str, word: str, seed: int, folder: Path) -> None:
    """100 steps under the watch, into a run folder; what is not in the folder into beside.json."""
    began = time.process_time()
    net, optimizer, data, size = setting(name, word, seed)
    criterion = nn.CrossEntropyLoss()
    with ut.watch(net, optimizer=optimizer, loss=criterion, run=folder):
        for _ in range(STEPS + 1):
            picture, label = next(data)
            optimizer.zero_grad()
            criterion(net(picture), label).backward()
            optimizer.step()
    spent = round(time.process_time() - began, 1)
    beside = {"size": size, "cpu_seconds": spent, **surroundings()}
    (folder / "beside.json").write_text(json.dumps(beside))


def longer(name: str, word: str, seed: int, folder: Path) -> dict[str, float]:
    """How far 600 steps get without a watch: loss over ln 10 and share right, last 20 steps."""
    file = folder / "longer.json"
    if file.exists():
        return json.loads(file.read_text())
    began = time.process_time()
    net, optimizer, data, _ = setting(name, word, seed)
    losses, right = list[float](), list[float]()
    for picture, label in data:
        optimizer.zero_grad()
        out = net(picture)
        loss = nn.functional.cross_entropy(out, label)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        right.append((out.argmax(1) == label).float().mean().item())
    got = {
        "progress": round(median(losses[-LAST:]) / torch.tensor(CLASSES).log().item(), 4),
        "right": round(fmean(right[-LAST:]), 4),
        "cpu_seconds": round(time.process_time() - began, 1),
    }
    file.write_text(json.dumps(got))
    return got


def row(name: str, word: str, seed: int, runs: Path) -> dict[str, Any]:
    """One net, one optimiser, one seed: its findings, its label, how far its loss got."""
    folder = runs / f"{name}-{word}-{seed}"
    if not (folder / "beside.json").exists():
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was cut off
        watched(name, word, seed, folder)
    report = ut.diagnose(folder)
    label = longer(name, word, seed, folder) if report.symptoms else {}
    sick = bool(label) and label["progress"] > CHANCE and label["right"] < RIGHT
    return {
        "model": name,
        "optimizer": word,
        "seed": seed,
        "findings": [s.name for s in report.symptoms],
        "mechanism": report.mechanism,
        "says": [s.says for s in report.symptoms],
        "progress": round(reached(report), 4),
        "after_600_steps": label,
        "stays_at_chance": sick,
        "false_alarm": bool(report.symptoms) and not sick,
        **json.loads((folder / "beside.json").read_text()),
    }


def reached(report: Any) -> float:
    """Median of the last ten losses over the constant answer's."""
    from undertow.core.derive import progress

    share = progress(report.record, report.record.last_step)
    return float("nan") if share is None else share


def told(line: str) -> None:
    """One line at once: a row may take minutes."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def wanted(models: list[str], seeds: int) -> Iterator[tuple[str, str, int]]:
    """A seed of every net before the next seed of any."""
    for seed in range(seeds):
        for name in models:
            for word in OPTIMIZERS:
                yield name, word, seed


def main() -> None:
    """Train every net that has no run yet, judge all, print and store a line each and the sum."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=60, help="CPU minutes; then no new run")
    parser.add_argument("--runs", default=RUNS, help="where the run folders stay")
    parser.add_argument("--judge", action="store_true", help="only those that have a run")
    parser.add_argument("--out", default=OUT)
    given = parser.parse_args()
    torch.set_num_threads(1)
    runs, rows = Path(given.runs), list[dict[str, Any]]()
    for name, word, seed in wanted(given.models.split(","), given.seeds):
        done = (runs / f"{name}-{word}-{seed}" / "beside.json").exists()
        if not done and (given.judge or time.process_time() > 60 * given.minutes):
            continue
        rows.append(row(name, word, seed, runs))
        told(json.dumps(rows[-1]))
        Path(given.out).write_text("".join(json.dumps(r) + "\n" for r in rows))
    alarms, sick = sum(r["false_alarm"] for r in rows), sum(r["stays_at_chance"] for r in rows)
    minutes = sum(r["cpu_seconds"] + r["after_600_steps"].get("cpu_seconds", 0) for r in rows) / 60
    told(f"{len(rows)} rows, {sick} of them sick by their own training, {minutes:.0f} CPU minutes")
    told(f"false alarms {alarms} of {len(rows) - sick}")


if __name__ == "__main__":
    main()
