"""Small made-up tasks: a formula decides the label, so that one thing is asked at a time."""

import math
import time
from statistics import median

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from undertow.data.arrays import Arrays
from undertow.nn.activation import activation
from undertow.studies.measures import nets, training
from undertow.studies.study import Cell

SAMPLES = 512


def xor(cell: Cell) -> dict[str, float | tuple[float, ...]]:
    """Accuracy on fresh points of a net trained on the sign of x·y."""
    data, held = (_quadrants(cell.seed * 2 + part) for part in (0, 1))
    return training.judged(cell, nets.net(cell, (2,)), data, held)


def _quadrants(seed: int) -> Arrays:
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(SAMPLES, 2, generator=g)
    return Arrays("xor", x, (x[:, 0] * x[:, 1] > 0).long(), 2, False)


SIDE = 8  # of the maps pooled
PLACES = 1.5  # what the one bright place is raised by
SHIFT = 0.25  # what every place is raised by


def pooling(cell: Cell) -> dict[str, float | tuple[float, ...]]:
    """Accuracy of a line through globally pooled maps: max against average (`pool`).

    The class is told by one bright place (`told` "peak") or by a small shift of all ("mean").
    """
    data, held = (_maps(str(cell.get("told")), cell.seed * 2 + part) for part in (0, 1))
    pool = nn.AdaptiveMaxPool2d(1) if cell.get("pool") == "max" else nn.AdaptiveAvgPool2d(1)
    line = nn.Linear(1, 2)
    with torch.no_grad():
        line.weight.zero_()
        line.bias.zero_()
    model = nn.Sequential(pool, nn.Flatten(), line)
    return training.judged(cell, model, data, held)


def _maps(told: str, seed: int) -> Arrays:
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(SAMPLES, 1, SIDE, SIDE, generator=g)
    y = torch.randint(2, (SAMPLES,), generator=g)
    if told == "mean":
        x = x + SHIFT * y.float().reshape(-1, 1, 1, 1)
    else:
        at = torch.randint(SIDE * SIDE, (SAMPLES,), generator=g)
        flat = x.flatten(1)
        flat[torch.arange(SAMPLES), at] += 2 * PLACES * y.float()
        x = flat.reshape(x.shape)
    return Arrays(told, x, y, 2, False)


VALUES = (16, 32, 32, 32)  # a batch of maps for the timing, 0.5 M values
REPEATS = 9
ROOM = 24  # tensors of such maps that fit into the memory kept at hand


def cost(cell: Cell) -> dict[str, float | tuple[float, ...]]:
    """Milliseconds of an activation, forward and backward, and their share of a 3x3 convolution's.

    The median of 9 rounds there and back (convolution, activation, relu, relu, activation,
    convolution), so that a busy moment and a full cache meet all alike; the convolution keeps the
    32 channels of the same maps.
    """
    g = torch.Generator().manual_seed(cell.seed)
    x = torch.randn(VALUES, generator=g)
    conv = nn.Conv2d(VALUES[1], VALUES[1], 3, padding=1)
    own, relu = activation(str(cell.get("fn")), VALUES[1]), activation("relu")
    kept = _at_hand(x)
    for module in (conv, own, relu):  # the first run allocates
        _time(module, x)
    rounds = [_there_and_back((conv, own, relu), x) for _ in range(REPEATS)]
    del kept
    return {
        "log_of_relu": median(math.log2(mine / of_relu) for _, mine, of_relu in rounds),
        "of_conv": median(mine / base for base, mine, _ in rounds),
        "ms": 500 * median(mine for _, mine, _ in rounds),  # of two runs
    }


def _at_hand(x: Tensor) -> Tensor:
    """Keep freed memory in the process for as long as what is returned lives.

    Else every tensor of megabytes comes from the system and goes back to it, and its new pages,
    a millisecond of them, are timed instead of the activation. glibc takes from the heap what is
    smaller than the largest block it has ever freed, and gives back only what lies on top: that is
    the block returned. Elsewhere this is without effect.
    """
    torch.empty(ROOM // 4 * x.numel())  # freed at once
    return [torch.empty_like(x).zero_() for _ in range(ROOM)][-1]


def _there_and_back(modules: tuple[nn.Module, ...], x: Tensor) -> tuple[float, ...]:
    """Seconds of each module, once in order and once in reverse."""
    there = [_time(m, x) for m in modules]
    back = [_time(m, x) for m in reversed(modules)]
    return tuple(a + b for a, b in zip(there, reversed(back), strict=True))


def _time(module: nn.Module, x: Tensor) -> float:
    """Seconds this thread computed, which on a busy machine are fewer than passed."""
    given = x.clone().requires_grad_()
    began = clock()
    module(given).sum().backward()
    return max(clock() - began, TICK)


TICK = 1e-6
FINE = time.get_clock_info("thread_time").resolution < TICK
clock = time.thread_time if FINE else time.perf_counter  # Windows counts threads by 16 ms


BINS = 10


def calibration(cell: Cell) -> dict[str, float | tuple[float, ...]]:
    """Expected calibration error of a sigmoid output: odd digits against even ones.

    `noise` of the arm is the share of training labels turned by chance; the held-back labels are
    true. The error is the mean over 10 bins of |share right − mean probability|, weighted by size
    (Naeini et al. 2015).
    """
    data, held = (_parity(part) for part in nets.split(cell))
    g = torch.Generator().manual_seed(cell.seed)
    turned = torch.rand(len(data.y), generator=g) < cell.number("noise")
    few = int(cell.number("samples", len(data.y)))
    taken = torch.randperm(len(data.y), generator=g)[:few]
    noisy = Arrays(
        data.name, nets.images(data), torch.where(turned, 1 - data.y, data.y), 2, False
    ).take(taken)
    model = nets.net(cell, data.shape)
    training.train(cell, model, noisy)
    model.eval()
    with torch.no_grad():
        p = torch.sigmoid(model(nets.images(held))[:, 1] - model(nets.images(held))[:, 0])
    return {
        "error": _calibration(p, held.y),
        "accuracy": float(((p > 0.5) == held.y).float().mean()),
    }


def _parity(data: Arrays) -> Arrays:
    """The digits as odd (1) and even (0)."""
    return Arrays(data.name, nets.images(data), data.y % 2, 2, False)


def _calibration(p: Tensor, y: Tensor) -> float:
    total = 0.0
    for low in range(BINS):
        inside = (p >= low / BINS) & (p < (low + 1) / BINS + (low == BINS - 1))
        if inside.any():
            gap = (p[inside].mean() - y[inside].float().mean()).abs()
            total += float(gap) * float(inside.float().mean())
    return total


def linear_probe(cell: Cell) -> dict[str, float | tuple[float, ...]]:
    """Accuracy of a linear readout of every layer of a trained net, odd digits against even.

    The readout is ridge regression on one-hot labels. `first`, `middle` and `last` are three of
    the layers; `input` reads the images themselves.
    """
    data, held = (_parity(part) for part in nets.split(cell))
    model = nets.net(cell, data.shape)
    acts = tuple(m for m in model.modules() if isinstance(m, nn.ReLU))
    training.train(cell, model, data)
    model.eval()
    seen = [nets.images(data), *training.outputs(model, nets.images(data), acts)]
    fresh = [nets.images(held), *training.outputs(model, nets.images(held), acts)]
    shares = tuple(
        _readout(a.flatten(1), data.y, b.flatten(1), held.y)
        for a, b in zip(seen, fresh, strict=True)
    )
    middle = shares[(len(shares) + 1) // 2]
    return {
        "input": shares[0],
        "first": shares[1],
        "middle": middle,
        "last": shares[-1],
        "each": shares,
        "gain_middle": middle - shares[1],
        "gain_last": shares[-1] - middle,
    }


RIDGE = 1.0


@torch.no_grad()
def _readout(a: Tensor, y: Tensor, b: Tensor, truth: Tensor) -> float:
    a, b = (torch.cat([t, torch.ones(len(t), 1)], 1).double() for t in (a, b))
    wanted = F.one_hot(y).double()
    weights = torch.linalg.solve(a.T @ a + RIDGE * torch.eye(a.shape[1]).double(), a.T @ wanted)
    return float(((b @ weights).argmax(1) == truth).float().mean())


SOURCE_STEPS = 88  # of the source task, four epochs of digits 0-4
SIDES = 5  # digits below it are the source task, the others the target


def transfer(cell: Cell) -> dict[str, float | tuple[float, ...]]:
    """Accuracy on the digits 5-9 from `k` images a class: from scratch, tuned, or only the head.

    The source net is trained on the digits 0-4 with the same seed.
    """
    data, held = nets.split(cell)
    few = _few(_side(data, True), int(cell.number("k")), cell.seed)
    model = nets.net(cell, data.shape)
    way = cell.get("way")
    if way != "scratch":
        source = Cell(cell.arm, cell.plan, cell.given, cell.data, SOURCE_STEPS)
        training.train(source, model, _side(data, False))
        head = model.get_submodule("head")
        assert isinstance(head, nn.Linear)
        with torch.no_grad():
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
    if way == "frozen":
        for layer in nets.hidden(model):
            layer.requires_grad_(False)
    return training.judged(cell, model, few, _side(held, True))


def _side(data: Arrays, high: bool) -> Arrays:
    keep = (data.y >= SIDES) == high
    return Arrays(data.name, nets.images(data)[keep], data.y[keep] - SIDES * high, SIDES, False)


def _few(data: Arrays, k: int, seed: int) -> Arrays:
    g = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(data.y), generator=g)
    picked = [order[data.y[order] == c][:k] for c in range(SIDES)]
    return data.take(torch.cat(picked))
