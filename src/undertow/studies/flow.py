"""One forward and backward pass through a plain net: what signal, gradient and updates do."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch.nn import functional as F

from undertow.core.activation import FACTS, expectation
from undertow.core.errors import UsageError
from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.core.record import Cell as Value
from undertow.core.record import Layer, Snapshot
from undertow.instrument.probe import Probe
from undertow.models import build_plan
from undertow.nn.optimizer import from_choices
from undertow.nn.threads import single_threaded

SAMPLES = 128  # of N(0, 1) input
INPUTS = 256  # features
WIDEST = 1024  # units of a layer
LAST_SEED = 2**31


@dataclass(frozen=True, slots=True)
class FlowRow:
    """One layer, input first; None: not measured, or no theory for such a net.

    `forward` is the root mean square of its output, `gradient` the L2 norm of the loss's gradient
    there, `weight_gradient` that of the weights', `update` how far one step of the optimiser moves
    them, relative. `theory_forward` and `theory_gradient` are those of infinitely wide layers; the
    gradient's is scaled to the measured one of the last layer.
    """

    path: str
    forward: Value
    gradient: Value
    weight_gradient: Value
    update: Value
    dead: Value
    saturated: Value
    theory_forward: Value
    theory_gradient: Value


@dataclass(frozen=True, slots=True)
class Flow:
    """What `flow` measured; factors are a layer, on the way back (gradient) and on (signal)."""

    settings: tuple[tuple[str, str], ...]
    rows: tuple[FlowRow, ...]
    gradient_factor: Value
    theory_factor: Value
    signal_factor: Value
    loss: float
    grad_norm: Value


@dataclass(frozen=True, slots=True)
class FlowPlan:
    """What the pass goes through: a plan of the card `mlp`, and the scale of its input."""

    plan: Plan
    scale: float = 1.0


def flow_plan(
    choices: Choices, train: TrainChoices, *, depth: int, width: int, scale: float, seed: int
) -> FlowPlan:
    """The plan of a flow.

    Raises:
        UsageError: a width, rate, clip or scale that cannot be.
    """
    if not 1 <= width <= WIDEST:
        raise UsageError(f"width={width} is not measured; give a whole number, 1 to {WIDEST}")
    for name, value in (("input_scale", scale), ("lr", train.lr), ("clip_norm", train.clip_norm)):
        if value is not None and not 0 < value < math.inf:
            raise UsageError(f"{name}={value:g} cannot be; give a number above 0")
    if not 0 <= seed < LAST_SEED:
        raise UsageError(f"seed={seed} is no seed; give a whole number, 0 to {LAST_SEED - 1}")
    sizes = (("depth", depth), ("width", width))
    return FlowPlan(Plan("mlp", choices, sizes, train=train, seed=seed), scale)


def flow(given: FlowPlan) -> Flow:
    """Measure one pass and one step; nothing global is changed.

    Raises:
        UsageError: a word or size the card `mlp` does not take.
    """
    with single_threaded():
        return _flow(given)


def _flow(given: FlowPlan) -> Flow:
    plan = given.plan
    g = torch.Generator().manual_seed(plan.seed + 1_000)
    x = given.scale * torch.randn(SAMPLES, INPUTS, generator=g)
    y = torch.randint(10, (SAMPLES,), generator=g)
    net = build_plan(plan, (INPUTS,))
    optimizer = from_choices(plan.train, net.parameters())
    probe = Probe(net)
    with probe.sampling():
        loss = F.cross_entropy(net(x), y)
        loss.backward()
    probe.before_update()
    if plan.train.clip_norm is not None:
        torch.nn.utils.clip_grad_norm_(net.parameters(), plan.train.clip_norm)
    optimizer.step()
    snap = probe.read(0)
    rows = _rows(probe.layers, snap, given)
    found = [r.gradient for r in rows]
    expected = [r.theory_gradient for r in rows]
    return Flow(
        settings=_settings(given),
        rows=rows,
        gradient_factor=_inverse(_factor(found)),
        theory_factor=_inverse(_factor(expected)),
        signal_factor=_factor([r.forward for r in rows]),
        loss=loss.detach().item(),
        grad_norm=probe.grad_norm,
    )


def _rows(layers: Sequence[Layer], snap: Snapshot, given: FlowPlan) -> tuple[FlowRow, ...]:
    columns = {c.stat: c.values for c in snap.columns}
    hidden = [(i, y) for i, y in enumerate(layers) if y.role == "hidden"]
    forward, relative = _theory([y for _, y in hidden], given)
    last = columns["grad_l2"][hidden[-1][0]] if hidden and "grad_l2" in columns else None
    rows = []
    for at, (i, layer) in enumerate(hidden):
        cell = {s: columns[s][i] for s in columns}
        scaled = None if relative is None or last is None else relative[at] * last
        rows.append(
            FlowRow(
                layer.path,
                cell.get("act_rms"),
                cell.get("grad_l2"),
                cell.get("wgrad_l2"),
                cell.get("update_ratio"),
                cell.get("dead"),
                cell.get("saturated"),
                None if forward is None else forward[at],
                scaled,
            )
        )
    return tuple(rows)


def _theory(
    layers: Sequence[Layer], given: FlowPlan
) -> tuple[list[float] | None, list[float] | None]:
    """Mean field layer by layer: output sizes, and gradients relative to the last layer's.

    None for nets with a norm or skips, where layers are not independent of each other.
    """
    plain = all(y.norm in ("", "none") and y.act in FACTS for y in layers)
    if not plain or given.plan.choices.skip not in (None, "none") or not layers:
        return None, None
    incoming, sizes, slopes = min(given.scale, 1e12) ** 2, [], []  # beyond, squares leave float64
    for y in layers:
        facts = FACTS[y.act]
        q = (y.weight_std or 0.0) ** 2 * y.fan_in * incoming + (y.bias_std or 0.0) ** 2
        q = min(max(q, 1e-24), 1e24)  # beyond, squares leave float64
        incoming = expectation(facts.f, 2, q)
        sizes.append(math.sqrt(incoming))
        w2 = (y.weight_std or 0.0) ** 2 * y.fan_out
        slopes.append(math.sqrt(w2 * expectation(facts.slope, 2, q)))
    back = [1.0]
    for factor in reversed(slopes[1:]):
        back.append(back[-1] * factor)
    return sizes, back[::-1]


def _factor(values: Sequence[Value]) -> Value:
    """(last/first)^(1/(n-1)); None where an end is missing, not finite or 0."""
    if len(values) < 2:
        return None
    first, last = values[0], values[-1]
    if not first or not last or not math.isfinite(first) or not math.isfinite(last):
        return None
    return math.exp((math.log(last) - math.log(first)) / (len(values) - 1))


def _inverse(value: Value) -> Value:
    return None if value is None else 1 / value


def _settings(given: FlowPlan) -> tuple[tuple[str, str], ...]:
    plan = given.plan
    named = {
        **{n: str(v) for n, v in plan.sizes},
        "act": plan.choices.act or "relu",
        "init": plan.choices.init or "torch",
        "norm": plan.choices.norm or "none",
        "skip": plan.choices.skip or "none",
        "optimizer": plan.train.optimizer,
        "lr": f"{plan.train.lr or 0.02:g}",
        "clip norm": "none" if plan.train.clip_norm is None else f"{plan.train.clip_norm:g}",
        "input scale": f"{given.scale:g}",
        "seed": str(plan.seed),
    }
    return tuple(named.items())


def decades(values: Sequence[Value]) -> Value:
    """log10 of last over first; None where an end is missing, not finite or 0."""
    pairs = list(pairwise(values))
    factor = _factor(values)
    return None if factor is None else len(pairs) * math.log10(factor)
