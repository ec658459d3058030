"""Lines and heads of the run folder: numbers as written, versions."""

import json
import math

import pytest

from undertow.core.errors import UsageError
from undertow.core.record import Column, Layer, LinePoint, Record, Scalars, Snapshot
from undertow.record import schema


def test_as_written_keeps_six_digits_in_any_frozen_data() -> None:
    seen = schema.as_written(Snapshot(3, (Column("act_rms", (1 / 3, None, math.inf)),)))
    assert seen.columns[0].values == (0.333333, None, math.inf)
    assert schema.as_written(Scalars(0, loss=2 / 3)).loss == 0.666667
    assert schema.as_written(Record(line=(LinePoint(1.0, 1e-7 / 3),))).line[0].loss == 3.33333e-08
    assert schema.as_written(5) == 5


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1 / 3, 0.0, 5e-324, 1e308, None])
def test_a_step_survives_its_line(value: float | None) -> None:
    scalars, snap = Scalars(7, loss=value, lr=0.1), Snapshot(7, (Column("dead", (value, 1.0)),))
    back, held = schema.step_of(json.loads(schema.step_line(scalars, snap)))
    assert repr((back, held)) == repr(schema.as_written((scalars, snap)))


def test_a_line_never_holds_a_bare_nan() -> None:
    line = schema.step_line(Scalars(0, loss=math.nan), Snapshot(0, (Column("x", (-math.inf,)),)))
    assert '"nan"' in line
    assert '"-inf"' in line
    json.loads(line, parse_constant=lambda word: pytest.fail(word))


def test_head_leaves_series_and_measurements_to_their_own_files() -> None:
    record = Record(layers=(Layer("a", "Linear", 0),), curvature=2.0, const_loss=2.3)
    form = schema.head_form(record, {"seed": 1})
    assert form["record"]["const_loss"] == 2.3
    assert not {"layers", "metrics", "snapshots", "curvature"} & set(form["record"])
    assert schema.measured_form(record)["curvature"] == 2.0


@pytest.mark.parametrize(
    ("stored", "says"),
    [({}, "no run"), ({"format": schema.FORMAT + 1}, "upgrade"), ({"format": "x"}, "no run")],
)
def test_only_known_versions_are_read(stored: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        schema.check_version(stored, "here")
    schema.check_version({"format": schema.FORMAT}, "here")


def test_an_older_head_without_newer_fields_is_read() -> None:
    assert schema.record_of({"record": {"kind": "run"}}, {}) == Record()
