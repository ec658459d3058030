"""Auxiliary classifiers: heads half-way that only training sees (Szegedy et al. 2015, sec. 5)."""

from dataclasses import dataclass

from torch import Tensor, nn

from undertow.nn.convolution import ConvNorm
from undertow.nn.recipe import Recipe

AUX_WEIGHT = 0.3  # share of an auxiliary loss in the total: Szegedy et al. 2015, sec. 5
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
