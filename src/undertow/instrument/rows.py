"""One row a call of a layer: what is known of the layer, and what one sampled step measured."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils.hooks import RemovableHandle

from undertow.core.record import Cell, Layer
from undertow.instrument.calls import MATRIX, norm_word, weights_of
from undertow.instrument.reduce import Cells
from undertow.instrument.trace import Call

LARGEST = ("act_max", "grad_max")  # over micro-batches the largest counts
ADDED = ("nonfinite",)  # and these add up; all others are averaged
TIME_FIRST = 3  # dimensions of (time, samples, features), the default of recurrent layers


@dataclass(eq=False)
class Row:
    """A row while it is being measured.

    `expects` says that in the last pass an activation followed: its output is waited for, and the
    layer's own not measured. `own` says that this call's own output was.
    """

    key: str
    path: str
    module: nn.Module
    order: int
    weights: list[nn.Parameter]
    norm_only: bool = False
    act: str = ""
    act_path: str = ""
    norm: str = ""
    units: int = 0
    batch: int = 0
    start: Cells = field(default_factory=dict)
    forward: list[Cells] = field(default_factory=list)
    backward: list[Cells] = field(default_factory=list)
    expects: bool = False
    joined: bool = False
    own: bool = False
    handle: RemovableHandle | None = None

    def begin(self, output: Tensor) -> None:
        """A new call of the row: nothing behind it has been seen yet."""
        self.joined, self.own, self.handle = False, False, None
        self.batch = output.shape[0] if output.ndim else 0

    def join(self, word: str, path: str) -> None:
        """An activation follows: what was measured of the layer's own output is void."""
        self.joined = self.expects = True
        self.act, self.act_path = word, path or f"{self.key}:{word or 'act'}"
        if self.own:
            self.forward.pop()
        if self.handle is not None:
            self.handle.remove()
        self.own, self.handle = False, None

    def clear(self) -> None:
        """Forget what was measured; what is known of the layer stays."""
        self.forward, self.backward = [], []
        self.joined, self.own, self.handle = False, False, None

    def axes(self, output: Tensor) -> tuple[int, int | None]:
        """The unit axis (-1: last) and the sample axis of an output of the layer."""
        if isinstance(self.module, nn.modules.conv._ConvNd):
            unit = output.ndim - 1 - len(self.module.kernel_size)
            return max(unit, -1), None if unit == 0 else 0
        time_first = getattr(self.module, "batch_first", True) is False
        return -1, int(time_first and output.ndim == TIME_FIRST)

    def layer(self, role: str, start: dict[str, float]) -> Layer:
        """The row as data; `start` holds the fetched statistics of the first weights."""
        fan_in, fan_out = fans(self.module, self.weights)
        return Layer(
            path=self.key,
            kind=type(self.module).__name__,
            order=self.order,
            act=self.act,
            role="norm" if self.norm_only else role,
            norm=self.norm,
            act_path=self.act_path,
            units=self.units,
            fan_in=fan_in,
            fan_out=fan_out,
            weight_std=start.get("weight_std"),
            bias_mean=start.get("bias_mean"),
            bias_std=start.get("bias_std"),
        )


def new_row(call: Call, order: int) -> Row:
    """A row for a call seen for the first time, with its start statistics on the device."""
    key = call.path if call.number == 1 else f"{call.path}#{call.number}"
    if norm_word(call.module):
        weights = list(call.module.parameters(recurse=False))
        units = max((p.numel() for p in weights), default=0)
        return Row(key, call.path, call.module, order, weights, norm_only=True, units=units)
    row = Row(key, call.path, call.module, order, weights_of(call.module))
    unit, _ = row.axes(call.output)
    row.units = call.output.shape[unit] if call.output.ndim else 1
    row.start = _start(call.module, row.weights)
    return row


def _start(module: nn.Module, weights: list[nn.Parameter]) -> Cells:
    flat = torch.cat([w.detach().reshape(-1).float() for w in weights])
    cells: Cells = {"weight_std": flat.std(correction=0)}
    bias = getattr(module, "bias", None)
    if isinstance(bias, Tensor) and bias.is_floating_point():
        b = bias.detach().float()
        cells |= {"bias_mean": b.mean(), "bias_std": b.std(correction=0)}
    return cells


def fans(module: nn.Module, weights: list[nn.Parameter]) -> tuple[int, int]:
    """Inputs of a unit and outputs an input feeds, of the first weight: torch's own convention."""
    ready = [w for w in weights if not is_lazy(w) and w.ndim >= MATRIX]
    if not ready:
        return 0, 0
    shape = ready[0].shape
    places = math.prod(shape[2:])
    ends = shape[1] * places, shape[0] * places
    transposed = isinstance(module, nn.modules.conv._ConvTransposeNd)
    return ends[::-1] if transposed else ends


def combined(stat: str, values: list[float]) -> Cell:
    """One number for several micro-batches; None for none."""
    if len(values) < 2:
        return values[0] if values else None
    if any(map(math.isnan, values)):
        return math.nan
    if stat in LARGEST:
        return max(values)
    return sum(values) if stat in ADDED else sum(values) / len(values)
