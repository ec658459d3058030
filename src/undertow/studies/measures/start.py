"""Statistics before any training: gradient and signal over depth, as the probe measures them."""

import math
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from undertow.core.derive import theil_sen
from undertow.core.record import Layer, Snapshot
from undertow.instrument.probe import Probe
from undertow.studies.measures import nets
from undertow.studies.study import Cell

CAP = 46.0  # decades; the smallest float32 above 0 is 1.4e-45
SHAPE = 2  # fewest layers over which a factor is taken


@dataclass(frozen=True)
class Start:
    """One forward and backward pass under the probe."""

    layers: tuple[Layer, ...]
    snapshot: Snapshot
    net: nn.Module
    loss: float

    def profile(self, stat: str) -> tuple[float, ...]:
        """A statistic of the hidden layers, input first; only what was measured."""
        pairs = zip(self.layers, self.snapshot.column(stat), strict=False)
        return tuple(v for y, v in pairs if v is not None and y.role == "hidden")


def pass_of(cell: Cell) -> Start:
    """The cell's net, measured on one batch of its data."""
    x, y = nets.batch(cell)
    model = nets.net(cell, tuple(x.shape[1:]))
    return measure(model, x, y)


def measure(model: nn.Module, x: Tensor, y: Tensor) -> Start:
    """Forward and backward of cross-entropy under the probe."""
    probe = Probe(model)
    with probe.sampling():
        loss = F.cross_entropy(model(x), y)
        loss.backward()
    return Start(probe.layers, probe.read(0), model, loss.detach().item())


def lost(gradient: tuple[float, ...]) -> float:
    """Decades lost from the last hidden layer to the first; below 0 it grows."""
    return nets.log_ratio(gradient[-1], gradient[0], CAP)


def gradient(cell: Cell) -> dict[str, float | tuple[float, ...]]:
    """`decades` and `factor` of the gradient, `forward` of the signal, over the hidden layers.

    `factor` is (first/last)^(1/(L-1)), what the gradient is multiplied by at each layer on its
    way back; `signal` the same of the root mean square on its way forward; `fit` the R² of a line
    through the logarithms of the gradient.
    """
    start = pass_of(cell)
    g, a = start.profile("grad_l2"), start.profile("act_rms")
    return {**of_profiles(g, a), "loss": start.loss, "gradient": g, "forward": a}


def of_profiles(g: tuple[float, ...], a: tuple[float, ...]) -> dict[str, float | tuple[float, ...]]:
    """The numbers of a gradient and a forward profile."""
    steps = max(len(g) - 1, 1)
    decades = lost(g)
    grown = nets.log_ratio(a[-1], a[0], CAP)
    logs = [math.log10(v) for v in g if v > 0 and math.isfinite(v)]
    return {
        "decades": decades,
        "factor": 10 ** (-decades / steps),
        "grown": grown,
        "signal": 10 ** (grown / steps),
        "fit": theil_sen(logs)[1] if len(logs) > SHAPE else 0.0,
    }
