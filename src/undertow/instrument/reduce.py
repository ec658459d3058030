"""From a tensor to its statistics: pure reductions, float32, scale-free, one pass each.

Which kernel reduces decides what sampling costs: `var_mean`, `count_nonzero`, norms of order 1
and infinity, histograms and `isfinite` over a whole activation are 10 to 100 times slower than
the sums, maxima and 2-norms used here.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from undertow.core.activation import FACTS

Number = Tensor | float  # a float on the CPU; elsewhere a scalar on the device, not waited for
Cells = dict[str, Number]

PLAIN = (1e-15, 1e15)  # max|v| between these: squares neither underflow nor overflow in float32
PLAIN_SPREAD = (1e-8, 1e15)  # the same for a difference of values that agree to 7 digits
SAMPLES = 32  # samples in `spread`: more change it by under 2 %
FEW_SAMPLES, SPREAD_VALUES = 8, 2**18  # of a large layer 8 samples are enough, 6 % low at most,
# and of theirs this many values at an odd stride (within 6 % on ResNet-50)
PICKED, LINE = 2**16, 16  # in runs of a line of memory, which is what a read brings
SUBSAMPLE = 4096  # values: shares are then within .015 of the exact ones on ResNet-18

ORDERS = {4: torch.channels_last, 5: torch.channels_last_3d}

SIGNED = frozenset(  # f(x) ≤ 0 just where x ≤ 0: dead units can be read from the output
    {"relu", "leaky-relu", "prelu", "elu", "selu", "gelu", "silu", "mish", "hard-swish"}
)
POSITIVE = frozenset({"relu", "sigmoid", "softplus"})  # never below 0: the minimum is not needed


def measure_forward(
    v: Tensor, act: str, unit: int, sample: int | None
) -> tuple[Cells, Tensor | None]:
    """The forward statistics of an output, and which of its units are dead (None: cannot be).

    Args:
        v: what the layer hands on, after its activation; not empty.
        act: the word of that activation, "" for none.
        unit: the axis of the units (channels or features).
        sample: the axis of the samples; None: a single one without an axis.
    """
    total = number(v.sum(dtype=_wide(v)))
    dead = None
    if act in SIGNED:
        units = unit_max(v, unit)
        dead, high = units <= 0, number(units.amax())
    else:
        high = number(v.amax())
    top = high if act in POSITIVE else _larger(high, -number(v.amin()))
    cells = {
        "act_rms": l2(v, top) / math.sqrt(v.numel()),
        "act_mean": total / v.numel(),
        "act_max": top,
        "nonfinite": nonfinite(v, total),
    }
    if sample is not None and v.ndim > 1 and v.shape[sample] > 1:
        cells["spread"] = spread(v, top, sample)
    edge = FACTS[act].saturates if act in FACTS else None
    if edge is not None:
        cells["saturated"] = share_outside(v, FACTS[act].f(-edge), FACTS[act].f(edge))
    return cells, dead


def measure_backward(g: Tensor) -> Cells:
    """The statistics of a gradient at a layer's output; g is not empty."""
    top = _larger(number(g.amax()), -number(g.amin()))
    x = subsample(g)
    return {
        "grad_l2": l2(g, top),
        "grad_max": top,
        "grad_zero": number((x == 0).sum()) / x.numel(),
        "nonfinite": nonfinite(g, top),
    }


def unit_max(v: Tensor, unit: int) -> Tensor:
    """The largest value of every unit over samples and positions -> (units,)."""
    if v.ndim == 1:
        return v
    if v.ndim > 2 and unit == 1 and v.is_contiguous():
        return v.flatten(2).amax(-1).amax(0)
    return v.amax([d for d in range(v.ndim) if d != unit % v.ndim])


def l2(v: Tensor, top: Number) -> Number:
    """‖v‖₂ in float32, right for values whose squares leave its range.

    Args:
        v: any shape, real floating.
        top: max|v|. Where it is known as a number it decides; on a device looking at it would
            wait, so there the scaled form is always taken.
    """
    plain = isinstance(top, float) and not _out_of(PLAIN, top)
    if plain:
        return number(torch.linalg.vector_norm(v, dtype=_wide(v)))
    by = _divisor(top)
    return by * number(torch.linalg.vector_norm(v.to(_wide(v)) / by))


def spread(v: Tensor, top: Number, sample: int) -> Number:
    """‖v − v̄‖₂/‖v‖₂ over at most 32 samples, v̄ their mean with positions kept apart; 0 for v = 0.

    Centred before squaring: 1 − n‖v̄‖²/‖v‖² would be noise below 1e-3.
    """
    x = _few_values(v, sample).to(_wide(v))
    if not isinstance(top, float) or _out_of(PLAIN_SPREAD, top):
        x = x / _divisor(top)
    whole = number(torch.linalg.vector_norm(x))
    apart = number(torch.linalg.vector_norm(x - x.mean(sample, keepdim=True)))
    if isinstance(whole, Tensor):
        return torch.where(whole == 0, whole, apart / whole)
    return apart / whole if whole else 0.0


def _few_values(v: Tensor, sample: int) -> Tensor:
    """At most 32 samples of an output, of a large one fewer and every so manieth position."""
    count = v.shape[sample]
    apiece = v.numel() // count
    kept = min(count, SAMPLES, max(FEW_SAMPLES, SPREAD_VALUES // apiece))
    stride = (kept * apiece // PICKED) | 1
    if kept * apiece <= SPREAD_VALUES or sample or not _dense(v):
        return v.narrow(sample, 0, kept)
    lines = _flat(v).view(count, apiece)[:kept, : apiece // LINE * LINE].unflatten(1, (-1, LINE))
    return lines[:, ::stride].contiguous()


def share_outside(v: Tensor, low: float, high: float) -> Number:
    """The share of a subsample's values below `low` or above `high`; 0 to 1."""
    x = subsample(v)
    return number(((x < low) | (x > high)).sum()) / x.numel()


def nonfinite(v: Tensor, proof: Number) -> Number:
    """How many entries are NaN or infinite; 30× cheaper where there are none.

    Args:
        v: any shape.
        proof: a number that is finite only if all of v is: the sum, or max|v|.
    """
    if isinstance(proof, float) and math.isfinite(proof):
        return 0.0
    return number(torch.isfinite(v).logical_not_().sum())


def subsample(v: Tensor) -> Tensor:
    """At most 4096 values at an odd stride (it meets every column of an even-sized picture)."""
    flat = _flat(v)
    stride = (flat.numel() // SUBSAMPLE) | 1
    return flat[::stride][:SUBSAMPLE]


def l2_each(tensors: Sequence[Tensor]) -> Tensor:
    """‖t‖₂ of every tensor, right at any scale -> (len(tensors),), on their device."""
    if not tensors:
        return torch.zeros(0)
    kind = _wide(tensors[0])
    if tensors[0].device.type != "cpu":
        return _scaled_each(tensors, kind)
    norms = _stacked(torch._foreach_norm(list(tensors), 2, kind), kind).double()  # 2e38 twice fits
    for i, (t, n) in enumerate(zip(tensors, norms.tolist(), strict=True)):
        if not PLAIN[0] < n < PLAIN[1] and t.numel():
            norms[i] = l2(t, _larger(t.amax().item(), -t.amin().item()))
    return norms


def fetch(cells: Sequence[Number]) -> list[list[float]]:
    """Numbers and tensors as lists of numbers, those of a device in one transfer."""
    far = [c for c in cells if isinstance(c, Tensor) and c.device.type != "cpu"]
    flat = torch.cat([c.reshape(-1).to(torch.float32) for c in far]).tolist() if far else []
    found, at = [], 0
    for c in cells:
        if isinstance(c, float):
            found.append([c])
        elif c.device.type == "cpu":
            found.append(c.reshape(-1).tolist())
        else:
            found.append(flat[at : at + c.numel()])
            at += c.numel()
    return found


def _scaled_each(tensors: Sequence[Tensor], kind: torch.dtype) -> Tensor:
    wide = [t.to(kind) for t in tensors]
    tops = _stacked(torch._foreach_norm(wide, math.inf), kind)
    by = torch.where((tops > 0) & torch.isfinite(tops), tops, torch.ones_like(tops))
    return by * _stacked(torch._foreach_norm(torch._foreach_div(wide, list(by.unbind())), 2), kind)


def _stacked(scalars: Sequence[Tensor], kind: torch.dtype) -> Tensor:
    return torch.stack([s.to(kind) for s in scalars])


def number(t: Tensor) -> Number:
    """The value where looking at it is free: on the CPU."""
    return float(t.item()) if t.device.type == "cpu" else t


def _larger(a: Number, b: Number) -> Number:
    """The larger one; NaN where both are (a tensor with one NaN has no other extreme)."""
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return torch.maximum(torch.as_tensor(a), torch.as_tensor(b))
    return a if a >= b else b


def _out_of(limits: tuple[float, float], top: float) -> bool:
    """Whether a maximum is outside the limits, and neither 0 nor non-finite: scaling helps."""
    return top != 0 and math.isfinite(top) and not limits[0] < top < limits[1]


def _divisor(top: Number) -> Number:
    """What to divide by so that the largest value is 1."""
    if isinstance(top, float):
        return top if top and math.isfinite(top) else 1.0
    wide = top.to(_wide(top))
    return torch.where((wide > 0) & torch.isfinite(wide), wide, torch.ones_like(wide))


def _wide(v: Tensor) -> torch.dtype:
    return torch.float64 if v.dtype == torch.float64 else torch.float32


def _dense(v: Tensor) -> bool:
    """Whether the values lie in one block of memory, sample by sample."""
    return v.is_contiguous() or (v.ndim in ORDERS and v.is_contiguous(memory_format=ORDERS[v.ndim]))


def _flat(v: Tensor) -> Tensor:
    """All values in some order, without a copy where memory holds them in one block."""
    if v.is_contiguous() or not _dense(v):
        return v.reshape(-1)
    return v.as_strided((v.numel(),), (1,), v.storage_offset())
