"""Residual blocks of linear layers with one thing changed: the nets of the questions on skips.

The cards have what the papers built; these have what the papers argue against as well: other
shortcuts, blocks of one layer, the activation behind the sum, bottlenecks.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from undertow.core.errors import unknown
from undertow.data.arrays import Arrays
from undertow.nn.activation import activation
from undertow.nn.threads import single_threaded
from undertow.preflight import guarded
from undertow.studies.measures import nets, start, training
from undertow.studies.study import Cell

SHORTCUTS = ("none", "identity", "half", "gate", "dropout", "linear")
BLOCKS = 25
REDUCE = 4  # how many times narrower a bottleneck's middle is: He et al. 2016, fig. 5


class Shortcut(nn.Module):
    """What is added to the branch: (N, width) -> (N, width)."""

    def __init__(self, kind: str, width: int) -> None:
        super().__init__()
        if kind not in SHORTCUTS:
            raise unknown("shortcut", kind, SHORTCUTS)
        self.kind = kind
        self.linear = nn.Linear(width, width) if kind in ("gate", "linear") else None
        self.dropout = nn.Dropout(0.5) if kind == "dropout" else None

    def forward(self, x: Tensor) -> Tensor:
        """The input as the shortcut passes it on."""
        if self.kind == "none":
            return torch.zeros_like(x)
        if self.kind == "half":
            return 0.5 * x
        if self.dropout is not None:
            return self.dropout(x)
        if self.linear is None:
            return x
        made: Tensor = self.linear(x)
        return torch.sigmoid(made) * x if self.kind == "gate" else made


class Block(nn.Module):
    """A branch of one or more linear layers and its shortcut; (N, width) -> (N, width)."""

    def __init__(self, cell: Cell, width: int) -> None:
        super().__init__()
        layers = int(cell.number("layers", 2))
        inner = width // REDUCE if cell.get("bottleneck") else width
        ends = [width, *[inner] * (layers - 1), width]
        fn, normed = str(cell.get("fn", "relu")), bool(cell.get("normed"))
        self.post = cell.get("order", "post") == "post"
        parts: list[nn.Module] = []
        for at, (a, b) in enumerate(pairwise(ends)):
            norm = [nn.BatchNorm1d(b if self.post else a)] if normed else []
            last = at == layers - 1
            if self.post:
                parts += [nn.Linear(a, b), *norm, *([] if last else [activation(fn)])]
            else:
                parts += [*norm, activation(fn), nn.Linear(a, b)]
        self.branch = nn.Sequential(*parts)
        self.shortcut = Shortcut(str(cell.get("shortcut", "identity")), width)
        self.act = activation(fn) if self.post else nn.Identity()
        self.cut = False

    def forward(self, x: Tensor) -> Tensor:
        """Shortcut + branch, then the activation in the post form; a cut block is its shortcut."""
        if self.cut:
            return x if self.shortcut.kind == "none" else self.shortcut(x)
        out: Tensor = self.act(self.shortcut(x) + self.branch(x))
        return out


class Net(nn.Module):
    """Linear, the blocks, linear head. (N, ...) -> (N, classes)."""

    def __init__(self, cell: Cell, features: int, classes: int) -> None:
        super().__init__()
        width = dict(cell.plan.sizes)["width"]
        assert isinstance(width, int)
        self.enter = nn.Sequential(nn.Flatten(), nn.Linear(features, width))
        count = int(cell.number("blocks", BLOCKS))
        self.parts = [Block(cell, width) for _ in range(count)]
        self.blocks = nn.ModuleList(self.parts)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        out: Tensor = self.head(self.run(x)[-1])
        return out

    def run(self, x: Tensor) -> list[Tensor]:
        """The output of the first layer and of every block."""
        outs = [self.enter(x)]
        for block in self.parts:
            outs.append(block(outs[-1]))
        return outs


def build(cell: Cell, features: int, classes: int) -> Net:
    """The cell's net: He for relu, Xavier for others; the last layer of a branch 0 if `zeroed`."""
    with guarded(cell.seed):
        made = Net(cell, features, classes)
        gain = math.sqrt(2.0) if cell.get("fn", "relu") == "relu" else 1.0
        for layer in made.modules():
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, 0, gain / math.sqrt(layer.in_features))
                nn.init.zeros_(layer.bias)
        nn.init.normal_(made.head.weight, 0, 1 / math.sqrt(made.head.in_features))
        for block in made.parts if cell.get("zeroed") else ():
            last = [m for m in block.modules() if isinstance(m, nn.Linear)][-1]
            nn.init.zeros_(last.weight)
    return made


def features(cell: Cell) -> int:
    """Input values of a sample: of the data, or of the plan's width for N(0, 1) inputs."""
    if cell.data != "normal":
        return math.prod(nets.split(cell)[0].shape)
    width = dict(cell.plan.sizes)["width"]
    assert isinstance(width, int)
    return width


def profiles(made: Net, x: Tensor, y: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Gradient norm and root mean square of every block's output."""
    outs = made.run(x)
    for out in outs:
        out.retain_grad()
    nn.functional.cross_entropy(made.head(outs[-1]), y).backward()
    gradient = tuple(0.0 if o.grad is None else float(o.grad.norm()) for o in outs)
    return gradient, tuple(float(o.detach().square().mean().sqrt()) for o in outs)


def gradient(cell: Cell) -> dict[str, float | tuple[float, ...]]:
    """`decades`, `factor` and `grown` over the blocks, before any training."""
    x, y = _batch(cell)
    made = build(cell, x[0].numel(), 10)
    g, a = profiles(made, x, y)
    return {**start.of_profiles(g, a), "gradient": g, "forward": a}


def remedy(cell: Cell) -> dict[str, float | tuple[float, ...]]:
    """The gradient's numbers of a plain net, or over the sums of a net of blocks (`shortcut`)."""
    return start.gradient(cell) if cell.get("shortcut") is None else gradient(cell)


def _batch(cell: Cell) -> tuple[Tensor, Tensor]:
    if cell.data != "normal":
        return nets.batch(cell)
    g = torch.Generator().manual_seed(cell.seed + 1_000)
    x = torch.randn(nets.BATCH, features(cell), generator=g)
    return x, torch.randint(10, (nets.BATCH,), generator=g)


def outcome(cell: Cell) -> dict[str, float | tuple[float, ...]]:
    """Accuracy, loss and the start's `decades` of a trained net of blocks."""
    data, held = nets.split(cell)
    first = gradient(cell)
    made = build(cell, features(cell), data.classes)
    weights = float(sum(p.numel() for p in made.blocks.parameters()))
    return {**first, **training.judged(cell, made, data, held), "weights": weights}


def lesion(cell: Cell) -> dict[str, float | tuple[float, ...]]:
    """`intact` accuracy, and `loss_of_one`: mean accuracy lost when one block is cut out."""
    data, held = nets.split(cell)
    made = build(cell, features(cell), data.classes)
    found = training.train(cell, made, data)
    intact = training.accuracy(found, data, held, cell)
    made.eval()
    lost = tuple(intact - _without(made, block, held) for block in made.parts)
    with torch.no_grad():
        x = made.enter(nets.images(held))
        block = made.parts[0]
        block.cut = True
        moved = float((block(x) - x).abs().max())
        block.cut = False
    return {"intact": intact, "loss_of_one": sum(lost) / len(lost), "moved": moved, "each": lost}


def _without(made: Net, block: Block, held: Arrays) -> float:
    block.cut = True
    share = training.right_share(made, held) or 0.0
    block.cut = False
    return share


def sizes(cell: Cell) -> dict[str, float | tuple[float, ...]]:
    """`ratio`, median over the blocks of std F(x)/std x after training; `first` and `last`."""
    data, held = nets.split(cell)
    made = build(cell, features(cell), data.classes)
    found = training.train(cell, made, data)
    share = training.accuracy(found, data, held, cell)
    made.eval()
    with torch.no_grad(), single_threaded():
        outs = made.run(nets.images(held))
        ratios = tuple(
            float(block.branch(x).std() / x.std())
            for block, x in zip(made.parts, outs[:-1], strict=True)
        )
    middle = sorted(ratios)[len(ratios) // 2]
    return {
        "ratio": middle,
        "first": ratios[0],
        "last": ratios[-1],
        "accuracy": share,
        "each": ratios,
    }
