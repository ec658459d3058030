"""Does a norm put into a net to be trained from its start have to start anew, or as the identity?

    python benchmarks/norm_start.py

Two sick nets on digits, 200 steps, 5 seeds: batch norms as they come, and batch norms whose scale
and shift keep the net's function on the first batch. A line of JSON each, in benchmarks/results.
"""

import json
import sys
from functools import partial
from pathlib import Path
from statistics import fmean

import torch
from sick import digits, mlp
from torch import nn

STEPS, SEEDS = 200, range(5)
NETS = {
    "sigmoid, 10 layers": partial(mlp, act=nn.Sigmoid, features=64, width=32, depth=10, classes=10),
    "ReLU from U(±0.01), 8 layers": partial(
        mlp, act=nn.ReLU, features=64, width=32, depth=8, classes=10, uniform=0.01
    ),
}


def final(net: nn.Module, seed: int) -> float:
    """Mean loss of the last 20 steps over ln 10."""
    x, y = digits()
    opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    draw, losses = torch.Generator().manual_seed(seed), []
    for _ in range(STEPS):
        pick = torch.randint(len(x), (64,), generator=draw)
        loss = nn.functional.cross_entropy(net(x[pick]), y[pick])
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses.append(float(loss.detach()))
    return fmean(losses[-20:]) / 2.302585


def main() -> None:
    """Train every arm, write and print the lines."""
    import undertow as ut

    x = digits()[0][:64]
    with (Path(__file__).parent / "results" / "norm-start.jsonl").open("w") as held:
        for name, build in NETS.items():
            for arm, data in (("none", None), ("anew", None), ("identity", x)):
                nets = [build(s) for s in SEEDS]
                norms = partial(ut.apply, remedy="batch-norm", data=data)
                made = nets if arm == "none" else list(map(norms, nets))
                losses = [round(final(n, s), 3) for n, s in zip(made, SEEDS, strict=True)]
                line = json.dumps({"net": name, "norms": arm, "loss_over_constant": losses})
                held.write(line + "\n")
                sys.stdout.write(line + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
