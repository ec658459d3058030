"""The run folder: one writer, readers. A kill at any moment leaves a folder that can be read."""

import errno
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from undertow.core.codec import encode
from undertow.core.errors import EnvironmentFaultError, UsageError
from undertow.core.record import Held, Layer, Record, Scalars, Snapshot
from undertow.record import schema
from undertow.record.schema import as_written

__all__ = [
    "RunWriter",
    "as_written",
    "is_run",
    "read_events",
    "read_extra",
    "read_run",
    "read_units",
]

FLUSH = 1.0  # seconds of unsampled steps a kill may cost; sampled steps are written at once
Dead = Mapping[str, tuple[int, ...]]


class RunWriter:
    """Writes a run folder; the only one that does.

    Every sampled step reaches the file at once, the scalars between them at least once a second
    of training: that second is all a `kill -9` can cost. run.json and layers.json are replaced
    whole (temporary name, fsync, rename). A full disk raises an error that names the file and
    what is safe; half a line is taken back.

    Args:
        folder: made with its parents.
        head: the record so far; its layers, metrics and snapshots are written by the methods.
        extra: what else run.json shall hold (versions, seeds, device, fingerprint).
        resume: go on in a folder that already holds a run, behind its last whole line.

    Raises:
        UsageError: the folder holds a run and `resume` is off, or the path is a file.
        EnvironmentFaultError: the folder cannot be made or written.
    """

    def __init__(
        self, folder: Path, head: Record, extra: Mapping[str, object], *, resume: bool = False
    ) -> None:
        self.folder = Path(folder)
        if is_run(self.folder) and not resume:
            raise UsageError(f"{self.folder} already holds a run; give another name, or remove it")
        _make(self.folder)
        self._extra = dict(extra)
        self._logs: dict[str, _Log] = {}
        self._dead: dict[str, tuple[int, ...]] = {}
        self._measured: dict[str, Any] = schema.measured_form(Record())
        if resume and is_run(self.folder):
            self._measured = {**self._measured, **_measured(self.folder)}
        self.set_head(head)

    def set_head(self, record: Record) -> None:
        """Replace run.json by this record's head, whole or not at all."""
        _replace(self.folder / schema.RUN, schema.head_form(record, self._extra))
        measured = schema.measured_form(record)
        if measured != self._measured:
            self._measured = measured
            self.event(schema.MEASURED_EVENT, measured)

    def layers(self, layers: Sequence[Layer]) -> None:
        """Replace layers.json; call again when rows were added behind the known ones."""
        _replace(self.folder / schema.LAYERS, schema.layers_form(layers))

    def scalars(self, scalars: Scalars, snapshot: Snapshot | None = None) -> None:
        """Add one step to metrics.jsonl; written at once where it has a snapshot."""
        line = schema.step_line(scalars, snapshot)
        self._log(schema.METRICS).add(line, now=snapshot is not None)

    def units(self, step: int, dead: Dead) -> None:
        """Add to units.jsonl the layers whose dead units changed; nothing where none did."""
        gone = {path: () for path in self._dead if path not in dead}
        changed = {p: d for p, d in {**gone, **dead}.items() if d != self._dead.get(p, ())}
        if changed:
            self._dead.update(changed)
            form = {path: list(units) for path, units in changed.items()}
            self._log(schema.UNITS).add(schema.dump({"step": step, "dead": form}), now=True)

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        """Add to events.jsonl: a finding, a warning, an applied remedy. Data of JSON kinds."""
        line = schema.dump({"event": kind, "data": encode(dict(data))})
        self._log(schema.EVENTS).add(line, now=True)

    def flush(self) -> None:
        """Hand every buffered line to the system."""
        for log in self._logs.values():
            log.flush()

    def close(self) -> None:
        """Write what is buffered and release every file; a second call does nothing."""
        with ExitStack() as stack:
            for log in self._logs.values():
                stack.callback(log.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _log(self, name: str) -> "_Log":
        if name not in self._logs:
            self._logs[name] = _Log(self.folder / name)
        return self._logs[name]


class _Log:
    """Lines appended to a file, a whole number of them at any time the disk allows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._waiting: list[bytes] = []
        self._since = time.monotonic()
        with _told(path):
            self._file = open(path, "ab", buffering=0)  # noqa: SIM115 - closed by close()
            self._size = _whole_lines(path)
            self._file.truncate(self._size)

    def add(self, line: str, *, now: bool) -> None:
        self._waiting.append(line.encode() + b"\n")
        if now or time.monotonic() - self._since > FLUSH:
            self.flush()

    def flush(self) -> None:
        if not self._waiting or self._file.closed:
            return
        block, self._waiting = b"".join(self._waiting), []
        self._since = time.monotonic()
        with _told(self.path, self._take_back):
            written = 0
            while written < len(block):
                written += self._file.write(block[written:]) or 0
        self._size += len(block)

    def close(self) -> None:
        try:
            self.flush()
        finally:
            self._file.close()

    def _take_back(self) -> None:
        self._file.truncate(self._size)


@contextmanager
def _told(path: Path, undo: Callable[[], None] = lambda: None) -> Iterator[None]:
    """An OSError inside becomes an EnvironmentFaultError naming the file and what is safe."""
    try:
        yield
    except OSError as error:
        undo()
        why = "the disk is full" if error.errno == errno.ENOSPC else error.strerror or str(error)
        raise EnvironmentFaultError(
            f"cannot write {path}: {why}; every line written before is whole and readable: "
            "free space or choose another folder"
        ) from error


def _make(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; give a folder for the run")
    with _told(folder):
        folder.mkdir(parents=True, exist_ok=True)


def _replace(path: Path, value: object) -> None:
    """Write JSON under a temporary name, force it to disk, and rename it over the old one."""
    part = path.with_name(path.name + ".part")
    with _told(path, lambda: part.unlink(missing_ok=True)):
        with open(part, "w", encoding="utf-8") as file:
            file.write(schema.dump(value) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)


def _whole_lines(path: Path) -> int:
    """Bytes up to the end of the last whole line; what a kill cut off lies behind them."""
    return path.read_bytes().rfind(b"\n") + 1


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run."""
    return (Path(folder) / schema.RUN).is_file()


def read_run(folder: Path) -> Record:
    """Everything a run folder says, as one record; a cut last line is skipped.

    A resumed run repeats steps: of two lines of one step the later one counts.

    Raises:
        UsageError: no run there, a newer format, or a file that cannot be read.
    """
    folder = Path(folder)
    head = _head(folder)
    metrics: list[Scalars] = []
    snapshots: list[Snapshot] = []
    measured = _measured(folder)
    with _understood(folder / schema.RUN):
        record = schema.record_of(head, measured)
    with _understood(folder / schema.METRICS):
        for line in _lines(folder / schema.METRICS):
            scalars, snapshot = schema.step_of(line)
            if metrics and scalars.step <= metrics[-1].step:
                metrics = [m for m in metrics if m.step < scalars.step]
                snapshots = [s for s in snapshots if s.step < scalars.step]
            metrics.append(scalars)
            if snapshot is not None:
                snapshots.append(snapshot)
    return replace(
        record,
        layers=_layers(folder),
        metrics=tuple(metrics),
        snapshots=tuple(snapshots),
        held=_held(folder),
    )


def read_extra(folder: Path) -> dict[str, Any]:
    """What the writer added to run.json: versions, seeds, device, fingerprint.

    Raises:
        UsageError: no run there, or a newer format.
    """
    extra: dict[str, Any] = _head(Path(folder)).get("extra", {})
    return extra


def read_events(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """Events in order, as (kind, data); [] where none was written.

    Raises:
        UsageError: a line before the last cannot be read.
    """
    path = Path(folder) / schema.EVENTS
    with _understood(path):
        return [(line["event"], line["data"]) for line in _lines(path)]


def read_units(folder: Path) -> list[tuple[int, dict[str, tuple[int, ...]]]]:
    """The steps at which dead units changed, each with all layers that then had any.

    Raises:
        UsageError: a line before the last cannot be read.
    """
    now: dict[str, tuple[int, ...]] = {}
    states = []
    path = Path(folder) / schema.UNITS
    with _understood(path):
        for line in _lines(path):
            changed = {layer: tuple(units) for layer, units in line["dead"].items()}
            now = {layer: units for layer, units in {**now, **changed}.items() if units}
            states.append((line["step"], now))
    return states


def _head(folder: Path) -> dict[str, Any]:
    path = folder / schema.RUN
    if not folder.is_dir():
        raise UsageError(f"{folder} does not exist; give the folder of a run")
    if not path.is_file():
        raise UsageError(f"{folder} is no run: it has no {schema.RUN}; give the folder of a run")
    head: dict[str, Any] = _json(path)
    schema.check_version(head, str(path))
    return head


def _layers(folder: Path) -> tuple[Layer, ...]:
    path = folder / schema.LAYERS
    if not path.is_file():
        return ()
    stored = _json(path)
    schema.check_version(stored, str(path))
    with _understood(path):
        return schema.layers_of(stored)


def _measured(folder: Path) -> dict[str, Any]:
    found = [d for kind, d in read_events(folder) if kind == schema.MEASURED_EVENT]
    return found[-1] if found else {}


def _held(folder: Path) -> tuple[Held, ...]:
    """The held-back losses; a resumed run's later ones count."""
    found: list[Held] = []
    with _understood(folder / schema.EVENTS):
        for kind, data in read_events(folder):
            if kind == schema.EVALUATION_EVENT:
                new = schema.held_of(data)
                found = [*(h for h in found if h.step < new.step), new]
    return tuple(found)


@contextmanager
def _understood(path: Path) -> Iterator[None]:
    """A value of the wrong shape inside becomes a UsageError naming the file."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, UsageError) and str(path) in str(error):
            raise
        raise UsageError(f"{path} is damaged: {error!r}; restore it or run again") from error


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}; restore it or run again") from error
    if not isinstance(value, dict):
        raise UsageError(f"{path} is damaged: no JSON object; restore it or run again")
    return value


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON objects of a file of lines; a last line without its end was cut and is skipped."""
    if not path.is_file():
        return
    try:
        whole = path.read_bytes().split(b"\n")[:-1]
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    for number, line in enumerate(whole, start=1):
        try:
            value = json.loads(line)
        except ValueError as error:
            raise UsageError(
                f"{path}, line {number}, is damaged: {error}; remove that line or run again"
            ) from error
        yield value
