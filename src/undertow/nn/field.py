"""Receptive fields: how far one entry of a map sees, followed through modules and functions alike.

Along the longest path: branches that meet in a sum or a concatenation leave the largest. After an
entry has seen everything (flattened, averaged away) there is no map and no field.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

from undertow.core.errors import UsageError

SPATIAL = 2  # the axis from which on a tensor has positions
ATTRIBUTE = "_undertow_field"


@dataclass(frozen=True, slots=True)
class Field:
    """Of one entry: pixels it sees along each axis, and pixels between neighbours."""

    size: tuple[Fraction, ...]
    stride: tuple[Fraction, ...]


def field_of(out: Any) -> Field | None:
    """The field of a tensor that a pass under `Fields` has made; None where it has none."""
    found: Field | None = getattr(out, ATTRIBUTE, None) if isinstance(out, Tensor) else None
    return found


def whole(numbers: Sequence[Fraction]) -> tuple[int, ...]:
    """Rounded up, one number where all axes agree."""
    rounded = tuple(-int(-n // 1) for n in numbers)
    return rounded[:1] if len(set(rounded)) == 1 else rounded


class Fields(TorchFunctionMode):
    """Inside, every tensor made from `start` carries its field."""

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        ones = (Fraction(1),) * max(start.ndim - SPATIAL, 0)
        if ones:
            setattr(start, ATTRIBUTE, Field(ones, ones))

    def __torch_function__(self, func: Any, types: Any, args: Any = (), given: Any = None) -> Any:
        """The result of `func`, marked."""
        given = given or {}
        out = func(*args, **given)
        for tensor in out if isinstance(out, tuple | list) else (out,):
            if isinstance(tensor, Tensor) and tensor.ndim > SPATIAL:
                self._mark(tensor, func, args, given)
        return out

    def _mark(self, out: Tensor, func: Any, args: Any, given: dict[str, Any]) -> None:
        sources = [t for t in _tensors((args, given)) if field_of(t) is not None]
        sources = [t for t in sources if t.ndim == out.ndim]
        if not sources:
            return
        name = getattr(func, "__name__", "").lstrip("_").rstrip("_")
        step = _STEPS.get(name, _same)
        fields = [step(_known(t), t, out, args, given) for t in sources]
        axes = range(out.ndim - SPATIAL)
        size = tuple(max(f.size[i] for f in fields) for i in axes)
        stride = tuple(max(f.stride[i] for f in fields) for i in axes)
        setattr(out, ATTRIBUTE, Field(size, stride))


def _known(tensor: Tensor) -> Field:
    found = field_of(tensor)
    if found is None:
        raise UsageError("a tensor without a field")
    return found


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from _tensors(tuple(value.values()))
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _tensors(part)


Step = Callable[[Field, Tensor, Tensor, Any, dict[str, Any]], Field]


def _moved(
    field: Field, window: Sequence[Fraction | int], stride: Sequence[Fraction | int]
) -> Field:
    """Behind a window of so many entries that moves by so many."""
    size = tuple(s + (w - 1) * j for s, w, j in zip(field.size, window, field.stride, strict=True))
    steps = tuple(j * Fraction(n) for j, n in zip(field.stride, stride, strict=True))
    return Field(size, steps)


def _convolved(field: Field, x: Tensor, out: Tensor, args: Any, given: dict[str, Any]) -> Field:
    weight = _argument(args, given, 1, "weight", None)
    if not isinstance(weight, Tensor) or x is weight:
        return field
    axes = len(field.size)
    dilation = _each(_argument(args, given, 5, "dilation", 1), axes)
    kernel = [d * (k - 1) + 1 for d, k in zip(dilation, weight.shape[2:], strict=True)]
    return _moved(field, kernel, _each(_argument(args, given, 3, "stride", 1), axes))


def _transposed(field: Field, x: Tensor, out: Tensor, args: Any, given: dict[str, Any]) -> Field:
    weight = _argument(args, given, 1, "weight", None)
    stride = _each(_argument(args, given, 3, "stride", 1), len(field.size))
    finer = tuple(j / Fraction(s) for j, s in zip(field.stride, stride, strict=True))
    kernel = [1] * len(finer) if weight is None else list(weight.shape[2:])
    return _moved(Field(field.size, finer), kernel, [1] * len(finer))


def _pooled(field: Field, x: Tensor, out: Tensor, args: Any, given: dict[str, Any]) -> Field:
    axes = len(field.size)
    kernel = _each(_argument(args, given, 1, "kernel_size", 1), axes)
    stride = _argument(args, given, 2, "stride", None)
    return _moved(field, kernel, _each(stride, axes) if stride else kernel)


def _averaged(field: Field, x: Tensor, out: Tensor, args: Any, given: dict[str, Any]) -> Field:
    """An adaptive pool: each cell sees its share, rounded up."""
    pairs = list(zip(x.shape[SPATIAL:], out.shape[SPATIAL:], strict=True))
    return _moved(field, [-(-i // o) for i, o in pairs], [Fraction(i, o) for i, o in pairs])


def _same(field: Field, x: Tensor, out: Tensor, args: Any, given: dict[str, Any]) -> Field:
    """Entry by entry; what keeps each n-th position moves by n."""
    pairs = list(zip(x.shape[SPATIAL:], out.shape[SPATIAL:], strict=True))
    kept = [round(i / o) if 1 <= o < i else 1 for i, o in pairs]
    return _moved(field, [1] * len(kept), kept)


def _scaled(field: Field, x: Tensor, out: Tensor, args: Any, given: dict[str, Any]) -> Field:
    pairs = zip(x.shape[SPATIAL:], out.shape[SPATIAL:], strict=True)
    return _moved(field, [1] * len(field.size), [Fraction(i, o) for i, o in pairs])


def _argument(args: Any, given: dict[str, Any], place: int, name: str, default: Any) -> Any:
    return args[place] if len(args) > place else given.get(name, default)


def _each(value: Any, axes: int) -> list[int]:
    values = list(value) if isinstance(value, tuple | list) else [value]
    return values if len(values) == axes else values[:1] * axes


_DIMENSIONS = ("1d", "2d", "3d")
_KINDS: dict[str, Step] = {
    "conv": _convolved,
    "conv_transpose": _transposed,
    "max_pool": _pooled,
    "avg_pool": _pooled,
    "lp_pool": _pooled,
    "adaptive_avg_pool": _averaged,
    "adaptive_max_pool": _averaged,
}
_STEPS: dict[str, Step] = {f"{kind}{d}": s for kind, s in _KINDS.items() for d in _DIMENSIONS} | {
    f"max_pool{d}_with_indices": _pooled for d in _DIMENSIONS
}
_STEPS |= {"interpolate": _scaled, "upsample": _scaled}
