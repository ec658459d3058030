"""What bf16 and channels_last bring: a training step over one in eager fp32, rows by rows.

    python benchmarks/precision.py [--rounds 3] [--nets resnet18,resnet50] [--json]

224 pixels, SGD with momentum, one thread; ResNet-18 with batches of 16, ResNet-50 of 8. bf16 is
autocast over fp32 weights, as `train --precision bf16` does it. A processor without avx512_bf16
or AMX only emulates bf16: then nothing is measured.
"""

import argparse
import sys
from collections.abc import Callable
from contextlib import nullcontext

import torch
from harness import Arm, Ratio, as_json, interleave
from torch import nn

import undertow as ut
from undertow.train.precision import has_bf16

BATCH = {"resnet18": 16, "resnet50": 8}
SIDE = 224


def arm(name: str, *, bf16: bool, last: bool) -> Arm:
    """One training step of a net of its own."""
    torch.manual_seed(0)
    layout = torch.channels_last if last else torch.contiguous_format
    net = ut.build(name, classes=1000, seed=0).train().to(memory_format=layout)
    x = torch.randn(BATCH[name], 3, SIDE, SIDE).contiguous(memory_format=layout)
    y = torch.randint(0, 1000, (BATCH[name],))
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    criterion = nn.CrossEntropyLoss()

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16) if bf16 else nullcontext():
            out = net(x)
        criterion(out.float(), y).backward()
        optimizer.step()

    return step


def told(name: str, found: list[Ratio], said: Callable[[str], object]) -> None:
    """Times as speed-ups over eager fp32."""
    said(f"{name}, batch {BATCH[name]}: speed of a training step over eager fp32\n")
    for r in found:
        low, high = 1 / r.high, 1 / r.low
        said(f"   {r.name:24} x{1 / r.median:.2f}  [{low:.2f}, {high:.2f}]\n")


def main() -> None:
    """Measure every net."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--nets", default=",".join(BATCH))
    parser.add_argument("--json", action="store_true", help="one line a net")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if not has_bf16(torch.device("cpu")):
        sys.stdout.write("this processor only emulates bf16: nothing measured\n")
        return
    for name in given.nets.split(","):
        arms = {
            "fp32": arm(name, bf16=False, last=False),
            "control": arm(name, bf16=False, last=False),
            "channels_last": arm(name, bf16=False, last=True),
            "bf16": arm(name, bf16=True, last=False),
            "bf16, channels_last": arm(name, bf16=True, last=True),
        }
        found = interleave(arms, given.rounds)
        if given.json:
            speed = {r.name: round(1 / r.median, 3) for r in found}
            sys.stdout.write(as_json(f"precision {name}", found, {"speed": speed}) + "\n")
            continue
        told(name, found, sys.stdout.write)


if __name__ == "__main__":
    main()
