"""`Report`: a diagnosis and the record it was made from, in every form people and programs read."""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from undertow.core.codec import decode, encode
from undertow.core.errors import EnvironmentFaultError, UsageError
from undertow.core.finding import Cause, Diagnosis, Remedy, Symptom
from undertow.core.record import Cell, Layer, Record
from undertow.core.run import Evaluation
from undertow.core.stats import COLUMNS
from undertow.core.verdict import Verdict
from undertow.report.numbers import counted

FORMAT = 1  # version of the JSON form; raised when an old reader would misread a new report


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One call of a layer with every statistic of `core.stats`; None = not measured.

    A check shows the net as it was given (the first step a statistic was measured at), a run its
    last sampled step. Units are those of `core.stats.Stat`.
    """

    path: str
    kind: str
    order: int
    act: str
    units: int
    act_rms: Cell = None
    act_mean: Cell = None
    act_max: Cell = None
    spread: Cell = None
    dead: Cell = None
    saturated: Cell = None
    grad_l2: Cell = None
    grad_max: Cell = None
    grad_zero: Cell = None
    wgrad_l2: Cell = None
    weight_l2: Cell = None
    rel_grad: Cell = None
    update_ratio: Cell = None
    nonfinite: Cell = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Report:
    """What was found, the numbers behind it and, after a repair or a training, what came out.

    Frozen data: comparable (numbers as written, 6 significant digits), picklable, JSON both ways.
    `tried` holds the verdicts of remedies tried before `verdict`'s, `evaluations` the held-back
    results of a training.
    """

    diagnosis: Diagnosis
    record: Record
    verdict: Verdict | None = None
    tried: tuple[Verdict, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()

    @property
    def healthy(self) -> bool:
        """No finding, no mechanism, and not too early to say."""
        return self.diagnosis.healthy and not self.diagnosis.watching

    @property
    def symptoms(self) -> tuple[Symptom, ...]:
        """The findings: what is wrong and where; notes are left out."""
        return tuple(s for s in self.diagnosis.symptoms if not s.note)

    @property
    def mechanism(self) -> str:
        """One word for what is going on; "healthy" where there is nothing."""
        return self.diagnosis.mechanism

    @property
    def causes(self) -> tuple[Cause, ...]:
        """The factors that explain the findings, likeliest first."""
        return self.diagnosis.causes

    @property
    def remedies(self) -> tuple[Remedy, ...]:
        """What to try, most promising first."""
        return self.diagnosis.remedies

    @property
    def source(self) -> str:
        """What was looked at: a model's name, `file.py:callable`, or a run's folder."""
        return self.record.source

    @property
    def layers(self) -> tuple[LayerRow, ...]:
        """One row per call of a layer, input first; `pandas.DataFrame(report.layers)` works."""
        columns = {stat: _measured(self.record, stat) for stat in COLUMNS}
        return tuple(_row(y, i, columns) for i, y in enumerate(self.record.layers))

    @property
    def main_layers(self) -> tuple[LayerRow, ...]:
        """The rows of layers that pass a signal on: `layers` without those of norms' own scales."""
        pairs = zip(self.record.layers, self.layers, strict=True)
        return tuple(row for y, row in pairs if y.role != "norm")

    def to_text(self, width: int = 100, color: bool = False, encoding: str = "utf-8") -> str:
        """The terminal text; ASCII signs where `encoding` lacks the others."""
        from undertow.report.text import report_text

        return report_text(self, width, color, encoding)

    def to_html(self, path: str | Path | None = None, command: str = "") -> str:
        """One self-contained HTML page; written to `path` at once or not at all.

        Args:
            path: where to write it; None only returns it.
            command: what repeats the report; "" = worked out from the record.

        Raises:
            EnvironmentFaultError: the file cannot be written.
        """
        from undertow.report.page import Part, render

        html = render(self.source or "Report", [Part("", self)], command)
        if path is not None:
            write(Path(path), html)
        return html

    def to_json(self) -> str:
        """The whole report as one line of JSON; `from_json` gives an equal report back."""
        return json.dumps({"format": FORMAT, **encode(self)}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """The report that `to_json` wrote.

        Raises:
            UsageError: it is not JSON, not a report, or written by a newer version.
        """
        try:
            data = json.loads(text)
        except ValueError as error:
            raise UsageError(f"this is not a stored Report: {error}") from error
        if not isinstance(data, dict) or not {"format", "diagnosis", "record"} <= set(data):
            raise UsageError("this is not a stored Report; give the text that to_json wrote")
        if not isinstance(data["format"], int) or data["format"] > FORMAT:
            raise UsageError(
                f"report format {data['format']!r} is newer than {FORMAT}, the newest this version "
                "reads; update undertow"
            )
        return decode(cls, data)

    def _repr_html_(self) -> str:
        """The body of the page for a notebook: inline figures, no script, at most 300 kB."""
        from undertow.report.page import Part, body

        return body([Part("", self)])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Report):
            return NotImplemented
        return bool(encode(self) == encode(other))  # as written: NaN equals NaN

    def __hash__(self) -> int:
        return hash((self.mechanism, self.source, tuple(y.path for y in self.record.layers)))

    def __repr__(self) -> str:
        state = "watching" if self.diagnosis.watching else self.mechanism
        found = counted(len(self.symptoms), "finding")
        layers = counted(len(self.main_layers), "layer")
        return f"Report({', '.join(filter(None, (f'{state}: {found}', layers, self.source)))})"

    def __str__(self) -> str:
        return self.to_text()


def _measured(record: Record, stat: str) -> tuple[Cell, ...]:
    """The column a reader should see: a check's first measurement, a run's last step."""
    snaps = record.snapshots if record.kind == "check" else record.snapshots[-1:]
    columns = (snap.column(stat) for snap in snaps)
    return next((values for values in columns if any(v is not None for v in values)), ())


def _row(layer: Layer, index: int, columns: Mapping[str, tuple[Cell, ...]]) -> LayerRow:
    cells = {stat: values[index] for stat, values in columns.items() if index < len(values)}
    return LayerRow(layer.path, layer.kind, layer.order, layer.act, layer.units, **cells)


def write(path: Path, text: str) -> None:
    """The text in the file, whole or not at all: written beside it, then renamed.

    Raises:
        EnvironmentFaultError: the folder is missing, not writable, or the disk is full.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).chmod(0o644)  # mkstemp gives 600: a report is there to be passed on
        Path(name).replace(path)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> EnvironmentFaultError:
    return EnvironmentFaultError(
        f"cannot write {path}: {error.strerror or error}; give a path in a folder that exists "
        "and can be written"
    )
