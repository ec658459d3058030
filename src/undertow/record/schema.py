"""The format of the run folder: its version, its files, its lines. Pure; touches no file."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar, cast

from undertow.core.codec import decode, encode, rounded
from undertow.core.errors import UsageError
from undertow.core.record import Cell, Column, Held, Layer, Record, Scalars, Snapshot

T = TypeVar("T")

FORMAT = 1  # raise it when an older reader would misread what is written
RUN, LAYERS = "run.json", "layers.json"
METRICS, UNITS, EVENTS = "metrics.jsonl", "units.jsonl", "events.jsonl"
SERIES = (
    "layers",
    "metrics",
    "snapshots",
    "held",
)  # fields of a record that have files of their own
MEASURED = ("curvature", "line", "one_batch", "probe_steps", "experiments")  # live in events.jsonl
MEASURED_EVENT, EVALUATION_EVENT = "measured", "evaluation"
SCALARS = tuple(f.name for f in fields(Scalars))
_cells_of = attrgetter(*SCALARS[1:])
RARE = ("clipped_norm", "skipped", "mixed_accuracy")  # left out of a line where not measured
PLAIN = '{"step":%d,"loss":%.6g,"lr":%.6g,"grad_norm":%.6g,"accuracy":%.6g}'  # nearly every line


ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def as_written(value: T) -> T:
    """The same data with every number as a file would hold it: 6 significant digits.

    Takes numbers, tuples and frozen data (Scalars, Snapshot, Record) alike, so that live and
    stored numbers are judged alike.
    """
    if isinstance(value, float):
        return cast(T, rounded(value))
    if isinstance(value, Scalars):  # every step of every training: by hand
        cells = [None if v is None else rounded(v) for v in _cells_of(value)]
        return cast(T, Scalars(value.step, *cells))
    if isinstance(value, tuple):
        return cast(T, tuple([as_written(v) for v in value]))
    kind: Any = type(value)
    names = _names(kind)
    return kind(**{n: as_written(getattr(value, n)) for n in names}) if names else value


@cache
def _names(kind: type) -> tuple[str, ...]:
    """The fields of frozen data; () for anything else."""
    return tuple(f.name for f in fields(kind)) if is_dataclass(kind) else ()


def check_version(stored: Mapping[str, Any], where: str) -> None:
    """Pass what this version can read.

    Raises:
        UsageError: no version in it, or a newer one than this program knows.
    """
    version = stored.get("format")
    if not isinstance(version, int) or version < 1:
        raise UsageError(f"{where} is no run of Undertow: it names no format version")
    if version > FORMAT:
        raise UsageError(
            f"{where} has format {version}, this version reads up to {FORMAT}; upgrade undertow"
        )


def head_form(record: Record, extra: Mapping[str, object]) -> dict[str, Any]:
    """What run.json holds: the format, the record's head, and what the writer added."""
    kept = {
        f.name: encode(getattr(record, f.name))
        for f in fields(record)
        if f.name not in SERIES and f.name not in MEASURED
    }
    return {"format": FORMAT, "record": kept, "extra": encode(dict(extra))}


def measured_form(record: Record) -> dict[str, Any]:
    """What torch measured once (λ, line probe, probe steps, experiments), for events.jsonl."""
    return {name: encode(getattr(record, name)) for name in MEASURED}


def layers_form(layers: Sequence[Layer]) -> dict[str, Any]:
    """What layers.json holds: one entry a row, in row order."""
    return {"format": FORMAT, "layers": encode(tuple(layers))}


def step_line(scalars: Scalars, snapshot: Snapshot | None) -> str:
    """One line of metrics.jsonl: the scalars, and on sampled steps one list a statistic."""
    if snapshot is None and scalars.clipped_norm is None and scalars.skipped is None:
        cells = scalars.loss, scalars.lr, scalars.grad_norm, scalars.accuracy
        if all(map(_plain, cells)):
            return PLAIN % (scalars.step, *cells)
    found = [(name, getattr(scalars, name)) for name in SCALARS]
    parts = [f'"{n}":{_text(v)}' for n, v in found if v is not None or n not in RARE]
    if snapshot is not None:
        columns = {c.stat: [_number(v) for v in c.values] for c in snapshot.columns}
        parts.append(f'"columns":{dump(columns)}')
    return "{" + ",".join(parts) + "}"


def step_of(line: Mapping[str, Any]) -> tuple[Scalars, Snapshot | None]:
    """Back from a line of metrics.jsonl to the scalars and the snapshot, if it has one."""
    step = line["step"]
    named = {n: _cell(line.get(n)) for n in SCALARS if n != "step"}
    columns = line.get("columns")
    if columns is None:
        return Scalars(step, **named), None
    held = tuple(Column(stat, _cells(values)) for stat, values in columns.items())
    return Scalars(step, **named), Snapshot(step, held)


def record_of(head: Mapping[str, Any], measured: Mapping[str, Any]) -> Record:
    """A record without its series from run.json and the last measurement in events.jsonl."""
    return decode(Record, {**head["record"], **measured})


def held_of(event: Mapping[str, Any]) -> Held:
    """A held-back loss from an evaluation's data."""
    return Held(int(event["step"]), float(event["loss"]))


def layers_of(stored: Mapping[str, Any]) -> tuple[Layer, ...]:
    """The rows of layers.json."""
    return tuple(decode(Layer, row) for row in stored["layers"])


def dump(value: object) -> str:
    """Compact JSON; a bare NaN cannot get in."""
    return ENCODER.encode(value)


def _text(value: Cell) -> str:
    """A number as JSON, by hand: this is done at every step of every training."""
    if value is None:
        return "null"
    if isinstance(value, int):
        return str(value)
    return f"{value:.6g}" if math.isfinite(value) else f'"{value}"'


def _plain(value: Cell) -> bool:
    return type(value) is float and math.isfinite(value)


def _number(value: Cell) -> Cell | str:
    if value is None or isinstance(value, int):
        return value
    return rounded(value) if math.isfinite(value) else str(value)


def _cell(value: Any) -> Cell:
    return None if value is None else float(value)  # float() reads "nan", "inf" and "-inf" too


def _cells(values: Sequence[Any]) -> tuple[Cell, ...]:
    if None in values:
        return tuple(map(_cell, values))
    return tuple(map(float, values))
