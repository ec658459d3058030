"""Small seeded trainings for the tests of the watch."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from undertow.diagnosis.engine import diagnose
from undertow.instrument.watch import Watch

BATCH = 16
X = torch.randn(64, 1, 6, 6, generator=torch.Generator().manual_seed(5))
Y = (X.mean((1, 2, 3)) > 0).long() + 2 * (X[:, 0, 0, 0] > 0).long()


def net() -> nn.Sequential:
    """A convolutional net of four classes with everything that holds state."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(inplace=True),
            nn.Conv2d(6, 6, 3, padding=1),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Flatten(),
            nn.Linear(216, 4),
        )


def sgd(model: nn.Module, lr: float = 0.02) -> Optimizer:
    """Momentum SGD over all parameters."""
    return torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)


def batch(step: int) -> tuple[Tensor, Tensor]:
    """The step's batch, in turn."""
    at = step * BATCH % len(X)
    return X[at : at + BATCH], Y[at : at + BATCH]


def train(
    model: nn.Module,
    optimizer: Optimizer,
    steps: int,
    criterion: Callable[[Any, Any], Tensor],
    told: Callable[[int, Tensor, Tensor], object] = lambda *_: None,
) -> None:
    """The plain loop, with clipping; `told` is called behind the optimiser's step."""
    torch.manual_seed(2)
    for step in range(steps):
        x, y = batch(step)
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        told(step, loss, y)


def watched(steps: int = 12, **options: Any) -> Watch:
    """A training under the watch, over."""
    model, criterion = net(), nn.CrossEntropyLoss()
    optimizer = sgd(model)
    watch = Watch(model, judge=diagnose, **{"optimizer": optimizer, "loss": criterion, **options})
    with torch.random.fork_rng(), watch:
        train(model, optimizer, steps, criterion)
    return watch


def hooks_of(*modules: nn.Module) -> int:
    """How many forward hooks are on modules and their parts."""
    parts = [m for module in modules for m in module.modules()]
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in parts)
