"""Statistics before any training: gradient and signal over depth, as the probe measures them."""

import math
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from undertow.core.decay import theil_sen
from undertow.core.record import Layer, Snapshot
from undertow.instrument.probe import Probe
from undertow.nn.optimizer import from_choices
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
    """Decades lost from the last hidden layer to the first; below 0 it grows.

    A gradient that is not finite has outgrown float32, it is not lost.
    """
    if not math.isfinite(gradient[-1]) or not math.isfinite(gradient[0]):
        return -CAP
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


def saturation(cell: Cell) -> dict[str, float | tuple[float, ...]]:
    """The gradient's numbers, and `saturated`: the mean share of saturated inputs of all layers."""
    begun = pass_of(cell)
    g, a = begun.profile("grad_l2"), begun.profile("act_rms")
    shares = begun.profile("saturated")
    mean = sum(shares) / len(shares) if shares else 0.0
    return {**of_profiles(g, a), "saturated": mean, "shares": shares}


def slopes(cell: Cell) -> dict[str, float | tuple[float, ...]]:
    """The gradient's numbers, and `expected`: the factor that gain times √E f'² of theory gives.

    `gain` of the arm multiplies Xavier weights of square layers, whose own factor is 1; E f'² is
    over the standard deviation the net's own pre-activations settle at.
    """
    from undertow.core.theory import chi1, fixed_point

    act, gain = str(cell.plan.choices.act), cell.number("gain", 1.0)
    w2 = gain * gain
    expected = math.sqrt(chi1(act, w2, fixed_point(act, w2)))
    found = gradient(cell)
    factor = found["factor"]
    assert isinstance(factor, float)
    return {**found, "expected": expected, "gap": factor - expected}


def update(cell: Cell) -> dict[str, float | tuple[float, ...]]:
    """`lag`: decades by which the first layer's relative update stays behind the last hidden one's.

    One optimiser step is taken; an update is ‖W after − W before‖ over ‖W before‖.
    """
    x, y = nets.batch(cell)
    model = nets.net(cell, tuple(x.shape[1:]))
    optimizer = from_choices(cell.plan.train, model.parameters())
    probe = Probe(model)
    with probe.sampling():
        F.cross_entropy(model(x), y).backward()
    probe.before_update()
    optimizer.step()
    begun = Start(probe.layers, probe.read(0), model, 0.0)
    updates, g = begun.profile("update_ratio"), begun.profile("grad_l2")
    lag = nets.log_ratio(updates[-1], updates[0], CAP)
    first = nets.log_ratio(updates[0], 1.0, CAP)
    return {"lag": lag, "first": first, "decades": lost(g), "updates": updates}
