"""Auxiliary classifiers: heads half-way that only training sees (Szegedy et al. 2015, sec. 5)."""

from dataclasses import dataclass

from torch import Tensor, nn

AUX_WEIGHT = 0.3  # share of an auxiliary loss in the total: Szegedy et al. 2015, sec. 5


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
