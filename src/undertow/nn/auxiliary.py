"""Auxiliary classifiers: heads half-way that only training sees (Szegedy et al. 2015, sec. 5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from undertow.core.errors import UsageError
from undertow.core.record import Layer
from undertow.nn.convolution import ConvNorm
from undertow.nn.init import initialise
from undertow.nn.layout import put
from undertow.nn.recipe import Recipe

AUX_WEIGHT = 0.3  # share of an auxiliary loss in the total: Szegedy et al. 2015, sec. 5
FEWEST = 3  # hidden layers, for one to be half-way
AUX_DROPOUT = 0.7  # in its heads: there too


@dataclass(frozen=True, slots=True)
class Output:
    """What `forward_aux` gives: the logits, and those of each auxiliary head by its name."""

    logits: Tensor
    aux: dict[str, Tensor]


class AuxHead(nn.Module):
    """Global average of a stage, then a linear layer. (N, C, ...) -> (N, classes)."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the stage `x`, a map or features."""
        logits: Tensor = self.fc(x.flatten(2).mean(2) if x.ndim > 2 else x)
        return logits


class AuxClassifier(nn.Module):
    """The head of GoogLeNet (sec. 5). (N, C, H, W) -> (N, classes).

    `averages`: 5/3 before the map is averaged to 4x4, as in the paper; such maps need 5 px.
    """

    def __init__(self, c_in: int, classes: int, recipe: Recipe, averages: bool) -> None:
        super().__init__()
        grid = nn.AdaptiveAvgPool2d(4)
        self.pool = nn.Sequential(nn.AvgPool2d(5, 3), grid) if averages else grid
        self.conv = ConvNorm(c_in, 128, 1, recipe)
        self.fc1 = nn.Linear(2048, 1024)
        self.act = recipe.act(1024)
        self.dropout = nn.Dropout(AUX_DROPOUT if recipe.dropout else 0.0)
        self.fc2 = nn.Linear(1024, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        x = self.conv(self.pool(x)).flatten(1)  # (N, 128, 4, 4) -> (N, 2048)
        logits: Tensor = self.fc2(self.dropout(self.act(self.fc1(x))))
        return logits


class Tapped(nn.Module):
    """A layer of a foreign net with an auxiliary head beside it, which only training runs.

    What is asked of it is asked of the layer. `kept` holds the head's logits of the last pass.
    """

    def __init__(self, layer: nn.Module, head: AuxHead, channels_last: bool) -> None:
        super().__init__()
        self.layer, self.head = layer, head
        self.channels_last = channels_last
        self.kept: Tensor | None = None

    def __getattr__(self, name: str) -> Any:
        """The layer's own attribute where this has none."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            parts: dict[str, nn.Module] = vars(self).get("_modules", {})
            if name.startswith("_") or "layer" not in parts:
                raise
            return getattr(parts["layer"], name)

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output, unchanged."""
        out: Tensor = self.layer(x)
        if self.training:
            self.kept = self.head(out.movedim(-1, 1) if self.channels_last else out)
        return out

    def taken(self) -> Tensor | None:
        """Hand over what the head gave."""
        kept, self.kept = self.kept, None
        return kept


def tap(net: nn.Module, layers: Sequence[Layer], seed: int) -> str:
    """Put an auxiliary head behind the hidden layer half-way, in place; its path.

    Args:
        net: a module with one head.
        layers: its rows.
        seed: of the head's weights.

    Raises:
        UsageError: fewer than three hidden layers, or no linear head to copy the outputs of.
    """
    if any(isinstance(m, Tapped) for m in net.modules()):
        return next(p for p, m in net.named_modules() if isinstance(m, Tapped))
    hidden = [y for y in layers if y.role == "hidden" and y.act and "#" not in y.path]
    heads = [y for y in layers if y.role == "head"]
    if len(hidden) < FEWEST or not heads:
        raise UsageError(
            f"an auxiliary head stands half-way: this net has {len(hidden)} hidden layers "
            f"(of at least {FEWEST}) and {len(heads)} heads"
        )
    half = hidden[(len(hidden) - 1) // 2]
    module = net.get_submodule(half.path)
    with torch.random.fork_rng([]):  # its draws are thrown away
        head = AuxHead(half.units, heads[-1].units)
    initialise(head, "torch", torch.Generator().manual_seed(seed))
    last = isinstance(module, nn.Linear)
    put(net, half.path, Tapped(module, head.to(next(module.parameters())), last))
    return half.path
