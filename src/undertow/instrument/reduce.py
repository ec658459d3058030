"""From a tensor to its statistics: pure reductions, float32, scale-free, one pass each.

Which kernel reduces decides what sampling costs: `var_mean`, `count_nonzero`, norms of order 1
and infinity, histograms and `isfinite` over a whole activation are 10 to 100 times slower than
the sums, maxima and 2-norms used here.
"""

import math
from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor

from undertow.core.activation import FACTS

Cells = dict[str, Tensor]

PLAIN = (1e-15, 1e15)  # max|v| between these: squares neither underflow nor overflow in float32
PLAIN_SPREAD = (1e-8, 1e15)  # the same for a difference of values that agree to 7 digits
SAMPLES = 32  # samples in `spread`: more change it by under 2 %
FEW_SAMPLES, SPREAD_VALUES = 8, 2**18  # of a large layer 8 samples are enough, 6 % low at most
SUBSAMPLE = 4096  # values: shares are then within .015 of the exact ones on ResNet-18

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
    kind = _wide(v)
    total = v.sum(dtype=kind)
    dead = None
    if act in SIGNED:
        units = unit_max(v, unit)
        dead, high = units <= 0, units.amax()
    else:
        high = v.amax()
    top = (high if act in POSITIVE else torch.maximum(high, -v.amin())).to(kind)
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
    kind = _wide(g)
    top = torch.maximum(g.amax(), -g.amin()).to(kind)
    return {
        "grad_l2": l2(g, top),
        "grad_max": top,
        "grad_zero": (subsample(g) == 0).to(kind).mean(),
        "nonfinite": nonfinite(g, g.sum(dtype=kind)),
    }


def unit_max(v: Tensor, unit: int) -> Tensor:
    """The largest value of every unit over samples and positions -> (units,)."""
    if v.ndim == 1:
        return v
    if v.ndim > 2 and unit == 1 and v.is_contiguous():
        return v.flatten(2).amax(-1).amax(0)
    return v.amax([d for d in range(v.ndim) if d != unit % v.ndim])


def l2(v: Tensor, top: Tensor) -> Tensor:
    """‖v‖₂ in float32, right for values whose squares leave its range.

    Args:
        v: any shape, real floating.
        top: max|v|. On the CPU its value decides; elsewhere looking at it would wait for the
            device, so there the scaled form is always taken.
    """
    kind = _wide(v)
    if v.device.type == "cpu":
        size = top.item()
        if PLAIN[0] < size < PLAIN[1] or size == 0 or not math.isfinite(size):
            norm: Tensor = torch.linalg.vector_norm(v, dtype=kind)
            return norm
    by = torch.where((top > 0) & torch.isfinite(top), top, torch.ones_like(top))
    scaled: Tensor = by * torch.linalg.vector_norm(v.to(kind) / by)
    return scaled


def spread(v: Tensor, top: Tensor, sample: int) -> Tensor:
    """‖v − v̄‖₂/‖v‖₂ over at most 32 samples, v̄ their mean with positions kept apart; 0 for v = 0.

    Centred before squaring: 1 − n‖v̄‖²/‖v‖² would be noise below 1e-3.
    """
    kind = _wide(v)
    apiece = v.numel() // v.shape[sample]
    count = min(v.shape[sample], SAMPLES, max(FEW_SAMPLES, SPREAD_VALUES // apiece))
    x = v.narrow(sample, 0, count).to(kind)
    if v.device.type != "cpu" or not PLAIN_SPREAD[0] < top.item() < PLAIN_SPREAD[1]:
        x = x / torch.where((top > 0) & torch.isfinite(top), top, torch.ones_like(top))
    whole = torch.linalg.vector_norm(x)
    apart = torch.linalg.vector_norm(x - x.mean(sample, keepdim=True))
    return torch.where(whole == 0, whole, apart / whole)


def share_outside(v: Tensor, low: float, high: float) -> Tensor:
    """The share of a subsample's values below `low` or above `high`; 0 to 1."""
    x = subsample(v)
    return ((x < low) | (x > high)).to(torch.float32).mean()


def nonfinite(v: Tensor, total: Tensor) -> Tensor:
    """How many entries are NaN or infinite. A finite sum proves there are none, 30× cheaper."""
    if v.device.type == "cpu" and math.isfinite(total.item()):
        return torch.zeros_like(total)
    return torch.isfinite(v).logical_not_().sum().to(total.dtype)


def subsample(v: Tensor) -> Tensor:
    """At most 4096 values at an odd stride (it meets every column of an even-sized picture)."""
    flat = _flat(v)
    stride = (flat.numel() // SUBSAMPLE) | 1
    return flat[::stride][:SUBSAMPLE]


def l2_each(tensors: list[Tensor]) -> Tensor:
    """‖t‖₂ of every tensor, right at any scale -> (len(tensors),), on their device."""
    if not tensors:
        return torch.zeros(0)
    kind = _wide(tensors[0])
    if tensors[0].device.type != "cpu":
        return _scaled_each(tensors, kind)
    norms = _stacked(torch._foreach_norm(tensors, 2, kind), kind)
    for i, n in enumerate(norms.tolist()):
        if not PLAIN[0] < n < PLAIN[1] and tensors[i].numel():
            top = torch.maximum(tensors[i].amax(), -tensors[i].amin())
            norms[i] = l2(tensors[i], top.to(kind))
    return norms


def fetch(cells: list[Tensor]) -> list[list[float]]:
    """Tensors as lists of numbers, in one transfer."""
    if not cells:
        return []
    kind = torch.float64 if cells[0].device.type == "cpu" else torch.float32
    flat = torch.cat([c.reshape(-1).to(kind) for c in cells]).tolist()
    ends = list(accumulate(c.numel() for c in cells))
    return [flat[end - c.numel() : end] for c, end in zip(cells, ends, strict=True)]


def _scaled_each(tensors: list[Tensor], kind: torch.dtype) -> Tensor:
    wide = [t.to(kind) for t in tensors]
    tops = _stacked(torch._foreach_norm(wide, math.inf), kind)
    by = torch.where((tops > 0) & torch.isfinite(tops), tops, torch.ones_like(tops))
    return by * _stacked(torch._foreach_norm(torch._foreach_div(wide, list(by.unbind())), 2), kind)


def _stacked(scalars: Sequence[Tensor], kind: torch.dtype) -> Tensor:
    return torch.stack([s.to(kind) for s in scalars])


def _wide(v: Tensor) -> torch.dtype:
    return torch.float64 if v.dtype == torch.float64 else torch.float32


def _flat(v: Tensor) -> Tensor:
    """All values in some order, without a copy where memory holds them in one block."""
    if v.is_contiguous() or v.ndim not in (4, 5):
        return v.reshape(-1)
    order = torch.channels_last if v.ndim == 4 else torch.channels_last_3d
    if v.is_contiguous(memory_format=order):
        return v.as_strided((v.numel(),), (1,), v.storage_offset())
    return v.reshape(-1)
