"""The shared tables."""

from dataclasses import replace

from tests.golden import report_samples as samples
from undertow.core.finding import Reading
from undertow.core.stats import COLUMNS
from undertow.report import tables


def test_every_statistic_has_a_name() -> None:
    assert set(COLUMNS) <= set(tables.STATS)


def test_experiments_name_their_statistic_once_where_it_is_one() -> None:
    experiments = samples.experiments()
    table = tables.experiment_table(experiments)
    assert table.head[2] == "decay (decades)"
    assert table.rows[0][2] == "9.4 → 4.2"
    mixed = (
        experiments[0],
        replace(experiments[1], before=Reading("dead", 0.9), after=Reading("dead", 0.1)),
    )
    table = tables.experiment_table(mixed)
    assert table.head[2] == "statistic"
    assert table.rows[1][2] == "dead 90 % → 10 %"
    assert tables.experiment_table(()).rows == ()


def test_proof_has_one_row_an_arm_and_one_a_remedy_tried() -> None:
    table = tables.proof_table(samples.proven(), (samples.failed(),))
    assert [row[0] for row in table.rows] == ["(none)", "batch-norm", "decoy (clip-norm)", "relu"]
    assert table.rows[1][1:5] == ("94.2 %", "-0.88 [-0.95, -0.81]", "3", "repaired")


def test_without_classes_the_loss_is_shown() -> None:
    proven = samples.proven()
    bare = replace(proven, trials=tuple(replace(t, accuracy=None) for t in proven.trials))
    table = tables.proof_table(bare)
    assert table.head[1] == "loss, median of 3"
    assert table.rows[1][1] == ".12"
    unheld = replace(bare, trials=tuple(replace(t, held_back=None) for t in bare.trials))
    assert "training loss" in tables.reading_of(unheld)[0]


def test_faults_are_told() -> None:
    proven = samples.proven()
    broken = replace(proven, trials=(replace(proven.trials[0], fault="out of memory"),))
    assert "control, seed 0: out of memory" in tables.reading_of(broken)[-1]
