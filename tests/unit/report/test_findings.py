"""What is said about a report: health, scope, marks, rivals, theory."""

import math
from dataclasses import replace

import pytest

from tests.golden import report_samples as samples
from undertow.core.finding import Evidence
from undertow.core.plan import Choices, Plan
from undertow.core.record import Record
from undertow.report import findings


def test_health_names_the_sick_areas() -> None:
    states = dict(findings.health(samples.sick()))
    assert states["gradient"] == "bad"
    assert states["progress"] == "bad"
    assert states["forward signal"] == "good"
    assert dict(findings.health(samples.run()))["saturation"] == "note"
    assert set(dict(findings.health(samples.empty())).values()) == {"unmeasured"}


def test_a_number_that_is_not_finite_is_not_called_sound() -> None:
    states = dict(findings.health(samples.broken()))
    assert states["forward signal"] == states["gradient"] == states["progress"] == "bad"
    assert states["updates"] == "unmeasured"


def test_progress_is_not_judged_before_the_verdict() -> None:
    assert dict(findings.health(samples.run(60)))["progress"] == "unmeasured"
    assert dict(findings.health(samples.run(200)))["progress"] == "good"


def test_marks_stand_in_the_column_of_the_symptom() -> None:
    report = samples.sick()
    assert findings.marks(report)["conv1", "grad_l2"] == "▼"
    grown = replace(
        report.symptoms[0],
        name="exploding-gradient",
        evidence=(Evidence("growth", "", 0, 2.0, 1.5),),
    )
    other = replace(report, diagnosis=replace(report.diagnosis, symptoms=(grown,)))
    assert findings.marks(other)["conv1", "act_rms"] == "▲"
    row = samples.broken().layers[2]
    assert findings.mark(row, "act_rms", {}) == "∅"
    assert findings.mark(row, "grad_l2", {}) == ""


def test_a_rival_is_listed_once_and_never_against_a_cause() -> None:
    report = samples.sick()
    cause = report.causes[0]
    twice = (cause, replace(cause, name="depth"))
    assert [e.factor for e in findings.excluded(twice)] == [
        *("initialisation", "input-scale", "learning-rate"),
    ]
    own = (cause, replace(cause, name="initialisation"))
    assert [e.factor for e in findings.excluded(own)] == ["input-scale", "learning-rate"]


def test_theory_of_xavier_sigmoid_is_the_published_factor() -> None:
    # sigma Xavier: E f'^2 = .045 at q = 1, .056 at its fixed point: .235 a layer (measured)
    record = samples.sick().record
    wide = tuple(replace(y, weight_std=1 / 12, fan_in=144) for y in record.layers)  # w2 = 1
    factor = findings.theory(replace(record, layers=wide))
    assert factor == pytest.approx(0.236, abs=0.003)
    assert "theory for wide layers ×0.24" in findings.slope_words(replace(record, layers=wide))


def test_theory_is_silent_where_it_does_not_hold() -> None:
    record = samples.sick().record
    assert findings.theory(replace(record, plan=None)) is None
    assert findings.theory(replace(record, plan=Plan("conv", Choices(skip="projection")))) is None
    assert findings.theory(replace(record, layers=samples.layers(12, "sigmoid", "batch"))) is None
    assert findings.theory(Record()) is None


def test_a_sentence_says_since_when_in_a_run_only() -> None:
    check, run = samples.sick(), samples.broken()
    assert "since" not in findings.sentence(check.symptoms[0], check)
    assert findings.sentence(run.symptoms[0], run).endswith("(since step 8)")


def test_a_symptom_without_words_is_told_by_its_evidence() -> None:
    report = samples.sick()
    bare = replace(report.symptoms[0], says="")
    assert findings.sentence(bare, report) == "conv1–conv6: decay is 9.4; limit 3.0"


def test_loss_words_know_what_guessing_is() -> None:
    record = samples.healthy().record
    assert findings.loss_words(record) == "one-batch loss at .30 of guessing"
    assert findings.loss_words(replace(record, const_loss=None)).endswith("of its start")
    bad = replace(record, one_batch=(2.3, math.inf))
    assert findings.loss_words(bad) == "one-batch loss not finite"
    assert findings.loss_words(Record()) == ""
