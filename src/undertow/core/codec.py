"""Frozen data <-> JSON: null = not measured, "nan" / "inf" / "-inf", 6 significant digits."""

import math
import types
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from undertow.core.errors import UsageError

D = TypeVar("D")
WORDS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def rounded(value: float) -> float:
    """The number as it is written and judged: 6 significant digits."""
    return float(f"{value:.6g}") if math.isfinite(value) else value


def encode(value: object) -> Any:
    """Frozen dataclasses, tuples, numbers and words as plain JSON values.

    Raises:
        UsageError: the value is of a kind that has no JSON form here.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return rounded(value) if math.isfinite(value) else str(value)
    if isinstance(value, Path):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, dict):
        return {str(k): encode(v) for k, v in value.items()}
    if isinstance(value, Sequence | set | frozenset):
        return [encode(v) for v in value]
    raise UsageError(f"{type(value).__name__} has no JSON form; give numbers, words or frozen data")


def decode(kind: type[D], value: Any) -> D:
    """The dataclass `kind` from its JSON form; unknown keys are ignored, missing ones default.

    Raises:
        UsageError: the value does not have the shape of `kind`.
    """
    try:
        out: D = _decode(kind, value)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise UsageError(f"this is not a stored {kind.__name__}: {error}") from error
    return out


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _decode(kind: Any, value: Any) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _decode_union(get_args(kind), value)
    if is_dataclass(kind):
        hints = _hints(kind)  # type: ignore[arg-type]
        known = {f.name for f in fields(kind)} & set(value)
        return kind(**{n: _decode(hints[n], value[n]) for n in known})  # type: ignore[operator]
    if origin is tuple:
        return _decode_tuple(get_args(kind), value)
    if kind is float:
        return WORDS[value] if isinstance(value, str) else float(value)
    if kind is Path:
        return Path(value)
    return value


def _decode_union(kinds: tuple[Any, ...], value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, list):
        return _decode(next(k for k in kinds if get_origin(k) is tuple), value)
    if isinstance(value, dict):
        return _decode(next(k for k in kinds if is_dataclass(k)), value)
    if float in kinds and str not in kinds and (isinstance(value, str) or int not in kinds):
        return value if isinstance(value, bool) else _decode(float, value)
    return value


def _decode_tuple(kinds: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(_decode(kinds[0], v) for v in value)
    return tuple(_decode(k, v) for k, v in zip(kinds, value, strict=True))
