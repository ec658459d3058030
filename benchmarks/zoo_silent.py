"""The second false-alarm set: published nets with their own initialisation must be silent.

    python benchmarks/zoo_silent.py [--models resnet18,vgg11_bn] [--seeds 3] [--minutes 60]
        [--out benchmarks/results/zoo-silent.jsonl]

Each net is built in its published form with ten classes and trained for 100 steps under the watch
with SGD and with Adam, batch 8, at its smallest legal size of 64 pixels or more, on pictures drawn
once by the seed: 64 of them, ten classes whose pictures differ in colour, so that there is
something to learn. Every finding at the end is a false alarm, with one exception: `no-progress`
alone is right where 600 steps do not leave chance either; that training is then run and is the
label of the row.

Rows are appended to the file as they come; those it holds already are not run again.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
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
OUT = "benchmarks/results/zoo-silent.jsonl"
STEPS, LONG, BATCH, CLASSES, PICTURES = 100, 600, 8, 10, 64
SIZES = (64, 75, 96, 128, 224)  # pixels: the smallest of these that the net takes
CHANCE = 0.9  # share of the constant answer's loss that is no better than guessing
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


def trained(name: str, word: str, seed: int, steps: int) -> Any:
    """The report after some steps under the watch."""
    net, size = built(name, seed)
    x, y = pictures(size, seed)
    torch.manual_seed(seed)
    criterion, optimizer = nn.CrossEntropyLoss(), optimizer_of(word, name, net.train())
    with ut.watch(net, optimizer=optimizer, loss=criterion) as w:
        for picture, label in batches(x, y, steps + 1, seed):
            optimizer.zero_grad()
            criterion(net(picture), label).backward()
            optimizer.step()
    return w.report(), size


def row(name: str, word: str, seed: int) -> dict[str, Any]:
    """One net, one optimiser, one seed: its findings and how far its loss got."""
    began = time.process_time()
    report, size = trained(name, word, seed, STEPS)
    found = [s.name for s in report.symptoms]
    right = False
    if found == ["no-progress"]:
        longer, _ = trained(name, word, seed, LONG)
        right = bool(longer.symptoms) and reached(longer) > CHANCE
    return {
        "model": name,
        "optimizer": word,
        "seed": seed,
        "size": size,
        "findings": found,
        "mechanism": report.mechanism,
        "says": [s.says for s in report.symptoms],
        "progress": round(reached(report), 4),
        "stays_at_chance": right,
        "false_alarm": bool(found) and not right,
        "seconds": round(time.process_time() - began, 1),
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


def stored(file: Path) -> list[dict[str, Any]]:
    """The rows of an earlier run."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def missing(
    models: list[str], seeds: int, rows: list[dict[str, Any]]
) -> list[tuple[str, str, int]]:
    """The trainings not yet stored, a seed of every net before the next seed of any."""
    done = {(r["model"], r["optimizer"], r["seed"]) for r in rows}
    wanted = [(name, word, n) for n in range(seeds) for name in models for word in OPTIMIZERS]
    return [w for w in wanted if w not in done]


def main() -> None:
    """Train every net, print and store a line each, print the sum."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=60, help="CPU minutes; then no new row")
    parser.add_argument("--out", default=OUT)
    given = parser.parse_args()
    torch.set_num_threads(1)
    file = Path(given.out)
    rows = stored(file)
    for name, word, seed in missing(given.models.split(","), given.seeds, rows):
        if time.process_time() > 60 * given.minutes:
            break
        rows.append({**row(name, word, seed), **surroundings()})
        told(json.dumps(rows[-1]))
        with file.open("a") as out:
            out.write(json.dumps(rows[-1]) + "\n")
    alarms = sum(r["false_alarm"] for r in rows)
    told(f"false alarms {alarms} of {len(rows)}")


if __name__ == "__main__":
    main()
