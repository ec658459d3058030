"""Report: equality, pickling, JSON both ways, rows, files."""

import json
import math
import pickle
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import pytest

from tests.golden import report_samples as samples
from undertow.core.errors import EnvironmentFaultError, UsageError
from undertow.core.record import Column, Record, Snapshot
from undertow.core.stats import COLUMNS
from undertow.report import LayerRow, Report

ALL = (samples.sick, samples.healthy, samples.run, samples.repaired, samples.broken, samples.empty)


@pytest.mark.parametrize("make", ALL)
def test_json_and_pickle_give_an_equal_report(make: Callable[[], Report]) -> None:
    report = make()
    stored = Report.from_json(report.to_json())
    assert stored == report
    assert hash(stored) == hash(report)
    assert stored.to_json() == report.to_json()
    assert stored.to_text() == report.to_text()
    assert stored.to_html() == report.to_html()
    assert pickle.loads(pickle.dumps(report)) == report


def test_reports_of_other_numbers_are_not_equal() -> None:
    report = samples.broken()
    assert report != replace(report, record=replace(report.record, first_loss=2.0))
    assert report != "a report"


def test_json_has_no_bare_nan() -> None:
    def refuse(word: str) -> None:
        pytest.fail(f"{word} is not JSON")

    data = json.loads(samples.broken().to_json(), parse_constant=refuse)
    assert data["format"] == 1
    assert "nan" in data["record"]["snapshots"][1]["columns"][0]["values"]


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "not a stored Report"), ("[]", "to_json"), ('{"format":1}', "to_json")],
)
def test_other_text_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Report.from_json(text)


def test_a_newer_format_is_refused_and_an_unknown_key_is_not() -> None:
    data = json.loads(samples.healthy().to_json())
    assert Report.from_json(json.dumps({**data, "later": 1})) == samples.healthy()
    with pytest.raises(UsageError, match="newer"):
        Report.from_json(json.dumps({**data, "format": 2}))


def test_properties() -> None:
    sick, run = samples.sick(), samples.run()
    assert not sick.healthy
    assert sick.mechanism == "vanishing"
    assert sick.source == "conv"
    assert [s.id for s in sick.symptoms] == ["UT101"]
    assert sick.causes[0].name == "activation"
    assert sick.remedies[0].name == "batch-norm"
    assert (run.healthy, run.symptoms) == (True, ()), "a note is no finding"
    assert not samples.empty().healthy, "too early to say"


def test_repr_is_one_line() -> None:
    assert repr(samples.sick()) == "Report(vanishing: 1 finding, 13 layers, conv)"
    assert repr(samples.empty()) == "Report(watching: 0 findings, 0 layers)"
    assert str(samples.sick()) == samples.sick().to_text()


def test_layer_rows_hold_every_statistic() -> None:
    assert set(COLUMNS) == {f.name for f in fields(LayerRow)[5:]}
    row = samples.sick().layers[0]
    assert (row.path, row.kind, row.order, row.act, row.units) == (
        *("conv1", "Conv2d", 0, "sigmoid", 16),
    )
    assert row.act_rms == 0.52
    assert row.act_mean is None


def test_a_check_shows_the_net_as_given_and_a_run_its_last_step() -> None:
    first, late = samples.snapshot(0, 2, 1.0), samples.snapshot(9, 2, 0.5)
    update = Snapshot(1, (Column("weight_l2", (1.0, 2.0, 3.0)),))
    rows = samples.layers(2)
    check = samples.healthy()
    as_check = replace(check, record=Record("check", layers=rows, snapshots=(first, update, late)))
    as_run = replace(check, record=Record("run", layers=rows, snapshots=(first, update, late)))
    assert as_check.layers[0].grad_l2 == 0.031
    assert as_check.layers[0].weight_l2 == 1.0
    assert as_run.layers[0].grad_l2 == 0.031 / 4
    assert as_run.layers[0].weight_l2 is None


def test_a_short_column_leaves_the_rest_unmeasured() -> None:
    snap = Snapshot(0, (Column("act_rms", (0.5, math.nan)),))
    report = replace(samples.healthy(), record=Record(layers=samples.layers(3), snapshots=(snap,)))
    assert [r.act_rms for r in report.layers][2:] == [None, None]


def test_html_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "r.html"
    path.write_text("old")
    html = samples.sick().to_html(path)
    assert path.read_text(encoding="utf-8") == html
    assert path.stat().st_mode & 0o777 == 0o644
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"], "no temporary file is left"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFaultError, match=r"gone.r\.html"):
        samples.healthy().to_html(tmp_path / "gone" / "r.html")


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "taken"
    target.mkdir()  # a folder cannot be replaced by a file
    with pytest.raises(EnvironmentFaultError):
        samples.healthy().to_html(target)
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]
