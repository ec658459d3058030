"""The famous sick networks: whether the layer and the cause of each are the known ones.

    python benchmarks/famous.py [--only sigmoid-20,...] [--out benchmarks/results/famous.jsonl]

Each is checked before training (one factor changed at a time on copies) and then trained for 100
steps under the watch; a row holds what both say, and whether that is what the literature says.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from harness import surroundings
from torch import Tensor, nn, optim

import undertow as ut

STEPS, BATCH, CLASSES = 100, 32, 10
OUT = "benchmarks/results/famous.jsonl"


@dataclass(frozen=True)
class Famous:
    """A net known not to train: how it is built, its rate, what it should be called, and why.

    `layers` is where the finding has to point: "first" (its layers begin nearest the input),
    "all", or "" where the source names no layer.
    """

    make: Callable[[], nn.Module]
    size: tuple[int, ...]
    lr: float
    mechanisms: tuple[str, ...]
    causes: tuple[str, ...]
    layers: str
    source: str


FAMOUS: dict[str, Famous] = {
    "vgg-normal-0.01": Famous(
        lambda: ut.build("conv", depth=16, in_channels=3, init="normal:0.01", norm="none", seed=0),
        (3, 32, 32),
        0.01,
        ("vanishing",),
        ("initialisation",),
        "first",
        "Simonyan & Zisserman 2015, sec. 3.1: from N(0, .01²) deeper nets stall",
    ),
    "alexnet-paper": Famous(
        lambda: ut.build("alexnet", variant="paper", init="paper", classes=CLASSES, seed=0),
        (3, 96, 96),
        0.01,
        ("vanishing",),
        ("initialisation", "bias"),
        "",
        "Krizhevsky et al. 2012, sec. 5: N(0, .01²) and biases of 1, trained for days",
    ),
    "lr-0.1-no-norm": Famous(
        lambda: ut.build("conv", depth=8, in_channels=3, init="he", norm="none", seed=0),
        (3, 16, 16),
        0.1,
        ("lr-high",),
        ("learning-rate",),
        "",
        "Ioffe & Szegedy 2015, sec. 3.3: without norms high rates blow up",
    ),
    "residual-no-norm": Famous(
        lambda: ut.build("cifar_resnet56", norm="none", init="he", seed=0),
        (3, 32, 32),
        0.01,
        ("exploding",),
        ("initialisation", "normalisation", "depth"),
        "first",
        "Zhang et al. 2019 (Fixup), sec. 2: variance doubles a block",
    ),
    "sigmoid-20": Famous(
        lambda: ut.build(
            "mlp", depth=20, width=64, in_channels=64, act="sigmoid", init="xavier", seed=0
        ),
        (64,),
        0.1,
        ("vanishing",),
        ("activation",),
        "first",
        "Glorot & Bengio 2010, sec. 3; Hochreiter 1991",
    ),
    "relu-50-torch-init": Famous(
        lambda: ut.build("mlp", depth=50, width=64, in_channels=64, init="torch", seed=0),
        (64,),
        0.1,
        ("vanishing",),
        ("initialisation",),
        "first",
        "He et al. 2015, sec. 2.2: the factor that is missing in each layer",
    ),
}


def data(size: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """64 batches' worth of noise with a mean of its own for every class, and labels."""
    g = torch.Generator().manual_seed(0)
    y = torch.randint(0, CLASSES, (8 * BATCH,), generator=g)
    flat = (1,) * (len(size) - 1)
    tint = torch.randn(CLASSES, size[0], *flat, generator=g)
    return torch.randn(len(y), *size, generator=g) + tint[y], y


def sgd(net: nn.Module, lr: float) -> optim.Optimizer:
    """The papers' own: momentum .9."""
    return optim.SGD(net.parameters(), lr=lr, momentum=0.9)


def trained(case: Famous, x: Tensor, y: Tensor) -> Any:
    """The report of 100 watched steps."""
    net, criterion = case.make(), nn.CrossEntropyLoss()
    optimizer = sgd(net.train(), case.lr)
    with ut.watch(net, optimizer=optimizer, loss=criterion) as w:
        for step in range(STEPS + 1):
            at = torch.arange(step * BATCH, (step + 1) * BATCH) % len(y)
            optimizer.zero_grad()
            criterion(net(x[at]), y[at]).backward()
            optimizer.step()
    return w.report()


def row(name: str, case: Famous) -> dict[str, Any]:
    """What both reports say of one net."""
    x, y = data(case.size)
    began = time.process_time()
    before = ut.check(
        case.make(),
        (x[:BATCH], y[:BATCH]),
        optimizer=lambda params: optim.SGD(params, lr=case.lr, momentum=0.9),
        budget_s=3000,  # of the clock, which a busy machine stretches
    )
    told = {"net": name, "source": case.source}
    for when, report in (("check", before), ("run", trained(case, x, y))):
        told |= {when: said(report), f"{when}_right": right(case, report)}
    return {**told, "seconds": round(time.process_time() - began, 1), **surroundings()}


def said(report: Any) -> dict[str, Any]:
    """Mechanism, causes with their standing, findings with their first layers."""
    return {
        "mechanism": report.mechanism,
        "causes": [(c.name, c.standing) for c in report.causes],
        "findings": [(s.id, s.name, len(s.layers), list(s.layers[:2])) for s in report.symptoms],
    }


def right(case: Famous, report: Any) -> bool:
    """Whether mechanism, first cause and place are those of the literature."""
    causes = [c.name for c in report.causes]
    placed = not case.layers or any(_begins(report, s.layers) for s in report.symptoms)
    named = bool(causes) and causes[0] in case.causes
    return report.mechanism in case.mechanisms and named and placed


def _begins(report: Any, layers: tuple[str, ...]) -> bool:
    """Whether the layers named reach into the third of the net nearest the input."""
    order = [y.path for y in report.record.layers]
    return any(order.index(path) < len(order) / 3 for path in layers if path in order)


def main() -> None:
    """Print and store a row a net."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(FAMOUS))
    parser.add_argument("--out", default=OUT)
    given = parser.parse_args()
    torch.set_num_threads(1)
    file = Path(given.out)
    kept = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    rows = {r["net"]: r for r in kept}
    for name in given.only.split(","):
        rows[name] = row(name, FAMOUS[name])
        sys.stdout.write(json.dumps(rows[name]) + "\n")
        sys.stdout.flush()
        file.write_text("".join(json.dumps(r) + "\n" for r in rows.values()))


if __name__ == "__main__":
    main()
