"""What the famous nets cost: time measured beside ResNet-18's, memory counted. Nothing is trained.

The weights are made up, one over its fan-in each, which keeps a signal between what float32 can
hold: what a pass costs does not depend on them.
"""

from functools import cache
from statistics import median

import torch
from torch import Tensor, nn

from undertow.core.errors import UsageError
from undertow.core.plan import Plan
from undertow.instrument.summary import MIB, summary
from undertow.models import blueprint
from undertow.models.weights import FIRST
from undertow.nn.init import WEIGHTED
from undertow.studies.measures.tasks import TICK, clock
from undertow.studies.study import Cell

SHAPE = (3, 224, 224)  # of one image
BESIDE = "resnet18"
REPEATS = 3


def bill(cell: Cell) -> dict[str, float | tuple[float, ...]]:
    """`time` of the arm's `net` over ResNet-18's, `ms`, MiB `saved` and of `weights`, `top1`.

    The median of 3 rounds in which both are run, each by the seconds its thread computed: a busy
    moment of the machine meets both, and the first round, which allocates, is no median.

    Raises:
        UsageError: no top-1 is published for the net.
    """
    name = str(cell.get("net"))
    if name not in FIRST:
        raise UsageError(f"net={name!r} has no published top-1; choose {', '.join(FIRST)}")
    g = torch.Generator().manual_seed(cell.seed)
    x = torch.randn(1, *SHAPE, generator=g)
    own, beside = filled(name), filled(BESIDE)
    rounds = [(seconds(beside, x), seconds(own, x)) for _ in range(REPEATS)]
    saved, weights = memory(name)
    return {
        "time": median(mine / base for base, mine in rounds),
        "ms": 1000 * median(mine for _, mine in rounds),
        "saved": saved / MIB,
        "weights": weights / MIB,
        "top1": FIRST[name][1],
    }


def filled(name: str) -> nn.Module:
    """The net in evaluation with made-up weights: (1, 3, 224, 224) -> (1, 1000), all finite."""
    net = blueprint(Plan(name)).to_empty(device="cpu").eval()
    with torch.no_grad():
        for tensor in (*net.parameters(), *net.buffers()):
            tensor.zero_()
        for module in net.modules():
            if isinstance(module, WEIGHTED):
                module.weight.fill_(1 / module.weight[0].numel())
            elif isinstance(module, nn.BatchNorm2d):
                module.weight.fill_(1.0)
                assert module.running_var is not None
                module.running_var.fill_(1.0)
    return net


@torch.no_grad()
def seconds(net: nn.Module, x: Tensor) -> float:
    """Seconds that this thread computes for one forward pass."""
    began = clock()
    net(x)
    return max(clock() - began, TICK)


@cache
def memory(name: str) -> tuple[int, int]:
    """Bytes that one image keeps for the backward pass, and bytes of the parameters; exact."""
    net = blueprint(Plan(name))
    found = summary(net, SHAPE)
    if found.saved is None:
        raise UsageError(f"what {name} keeps for the backward pass cannot be counted")
    return found.saved, sum(p.numel() * p.element_size() for p in net.parameters())
