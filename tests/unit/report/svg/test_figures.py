"""What the figures show, on reports whose numbers are known."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from tests.golden import report_samples as samples
from undertow.core.record import Column, Record, Snapshot
from undertow.report import Report, svg
from undertow.report.svg.curves import MIXED
from undertow.report.svg.draw import NARROW, WIDE, Figure
from undertow.report.svg.heatmap import BAD, COLORS, COLUMNS, ZERO, down_sampled
from undertow.report.svg.profile import short, stretches


def mixed(report: Report) -> Report:
    """The same training, of mixed inputs."""
    told = (replace(m, accuracy=None, mixed_accuracy=m.accuracy) for m in report.record.metrics)
    return replace(report, record=replace(report.record, metrics=tuple(told)))


def figures() -> dict[str, Figure | None]:
    sick, run, hostile = samples.sick(), samples.run(), samples.hostile()
    return {
        "profile": svg.profile(sick, "a", samples.sick()),
        "hostile": svg.profile(hostile, "b"),
        "broken": svg.profile(samples.broken(), "c"),
        "bars": svg.bars(run, "d"),
        "heatmap": svg.heatmap(run, "e"),
        "training": svg.training(run, "f"),
        "mixed": svg.training(mixed(run), "m"),
        "overflow": svg.training(samples.broken(), "g"),
        "one batch": svg.one_batch(sick.record, "h"),
        "line": svg.line_probe(samples.broken().record, "i"),
        "factors": svg.factors(samples.experiments(), "j"),
        "paired": svg.paired(samples.proven(), (samples.failed(),), "k"),
    }


@pytest.mark.parametrize("name", figures())
def test_each_is_well_formed_in_both_widths_and_stays_inside(name: str) -> None:
    made = figures()[name]
    assert made is not None
    assert made.sentence
    assert made.table.rows
    for width, markup in ((WIDE, made.wide), (NARROW, made.narrow)):
        root = ElementTree.fromstring(markup)
        box = [float(v) for v in root.attrib["viewBox"].split()]
        assert box[2] == width
        for node in root.iter():
            for key, high in (("x", width), ("cx", width), ("y", box[3]), ("cy", box[3])):
                assert -2 <= float(node.attrib.get(key, 0)) <= high + 2, (key, node.attrib)
        assert "nan" not in re.sub(r">[^<]*<", "><", markup)


@pytest.mark.parametrize("name", figures())
def test_each_table_is_rectangular(name: str) -> None:
    made = figures()[name]
    assert made is not None
    table = made.table
    assert {len(row) for row in table.rows} == {len(table.head)} == {len(table.right)}


def test_nothing_measured_gives_no_figure() -> None:
    report = samples.empty()
    assert svg.profile(report, "a") is None
    assert svg.bars(report, "a") is None
    assert svg.heatmap(report, "a") is None
    assert svg.training(report, "a") is None
    assert svg.one_batch(Record(), "a") is None
    assert svg.line_probe(Record(), "a") is None
    assert svg.factors((), "a") is None
    assert svg.paired(replace(samples.proven(), trials=()), (), "a") is None


def test_the_profile_marks_the_finding_the_band_and_the_theory() -> None:
    made = svg.profile(samples.sick(), "a")
    assert made is not None
    assert 'class="flag"' in made.wide
    assert 'class="band"' in made.wide
    assert "▼ vanishing-gradient conv1–conv6" in made.wide
    assert "9.4 decades smaller" in made.sentence
    assert "theory for wide layers" in made.sentence


def test_norm_rows_are_not_drawn() -> None:
    report = samples.sick(3)
    rows = tuple(replace(y, role="norm") if y.path == "conv2" else y for y in report.record.layers)
    other = replace(report, record=replace(report.record, layers=rows))
    assert [r.path for r in svg.rows_of(other)] == ["conv1", "conv3", "fc"]


def test_bars_are_drawn_only_where_there_is_something() -> None:
    assert svg.bars(samples.sick(), "a") is None, "all shares are 0"
    assert svg.bars(samples.run(), "a") is not None


def test_stretches_are_runs_of_neighbours() -> None:
    assert stretches([4, 1, 2, 9]) == [(1, 2), (4, 4), (9, 9)]


def test_short_names_keep_their_end() -> None:
    assert short("layers.10.conv", 10) == "…10.conv"
    assert short("conv1", 10) == "conv1"
    assert len(short("x" * 40, 10)) == 10


def snaps(count: int, layers: int) -> list[Snapshot]:
    values = [tuple(10.0 ** -(1 + i % 5) for _ in range(layers)) for i in range(count)]
    return [Snapshot(i, (Column("grad_l2", v),)) for i, v in enumerate(values)]


def test_a_heatmap_keeps_minima_maxima_and_every_oddity() -> None:
    rows = snaps(50_000, 4)
    spiked = Snapshot(31_337, (Column("grad_l2", (float("nan"), 1e9, 1e-30, None)),))
    rows[31_337] = spiked
    steps, grid = down_sampled(rows, range(4))
    assert len(steps) == len(grid) <= COLUMNS
    columns = list(zip(*grid, strict=True))
    assert any(v != v for v in columns[0])
    assert max(v for v in columns[1] if v is not None) == 1e9
    assert min(v for v in columns[2] if v is not None) == 1e-30
    assert steps[0] == 0
    assert steps[-1] == 49_999


def test_a_heatmap_of_few_steps_shows_each() -> None:
    steps, grid = down_sampled(snaps(10, 3), (0, 2))
    assert steps == list(range(10))
    assert len(grid[0]) == 2


def test_a_heatmap_says_where_numbers_stop() -> None:
    report = samples.run()
    record = report.record
    bad = Snapshot(200, (Column("grad_l2", (0.0, float("nan"), *(1.0,) * 11)),))
    made = svg.heatmap(
        replace(report, record=replace(record, snapshots=(*record.snapshots, bad))), "a"
    )
    assert made is not None
    assert "step 200, conv2" in made.sentence
    assert COLORS[BAD] in made.wide
    assert COLORS[ZERO] in made.wide


def test_the_training_says_where_it_ends() -> None:
    made = svg.training(samples.run(), "a")
    assert made is not None
    assert "of guessing" in made.sentence
    assert "97.0 % of 360" in made.sentence
    assert "best constant answer" in made.wide
    assert "held-back" in made.wide


def test_the_share_right_of_mixed_inputs_is_named_in_legend_and_table() -> None:
    for report, word in ((samples.run(), "accuracy, training"), (mixed(samples.run()), MIXED)):
        made = svg.training(report, "a")
        assert made is not None
        assert word in made.wide
        assert made.table.rows[1][3].endswith("%")
        assert (MIXED in made.wide, MIXED in made.table.head) == (word == MIXED,) * 2


def test_events_are_marked() -> None:
    made = svg.training(samples.broken(), "a")
    assert made is not None
    assert 'class="event"' in made.wide
    assert ">UT108</text>" in made.wide
    assert "∅" in made.wide


def test_factors_are_sorted_and_say_what_learns() -> None:
    made = svg.factors(samples.experiments(), "a")
    assert made is not None
    assert "2 let it learn: normalisation: batch" in made.sentence
    assert made.wide.index("normalisation: batch</text>") < made.wide.index(
        "activation: relu</text>"
    )
    assert "3 layers" not in made.wide, "what was not tested is not drawn"


def test_pairs_are_drawn_seed_by_seed() -> None:
    made = svg.paired(samples.proven(), (samples.failed(),), "a")
    assert made is not None
    assert made.wide.count('class="pair"') == 3
    assert len(made.table.rows) == 9
    assert "relu − none" in made.wide
    assert "94.2 %" in made.wide
