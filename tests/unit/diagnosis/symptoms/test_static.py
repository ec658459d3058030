"""UT201-UT206: gated or not, and both sides of the input's limits."""

from dataclasses import replace
from typing import Any

import pytest

from tests.cases.records import CONST, STANDARD, check, layers, run, static
from undertow.core.finding import Evidence, Symptom
from undertow.core.record import Layer
from undertow.diagnosis.symptoms.static import (
    eval_gap,
    head_mismatch,
    input_range,
    label_error,
    loss_mismatch,
    symmetric_weights,
)

RULES = {
    "head-mismatch": head_mismatch,
    "loss-mismatch": loss_mismatch,
    "label-error": label_error,
    "symmetric-weights": symmetric_weights,
}


@pytest.mark.parametrize("name", RULES)
def test_a_stored_finding_speaks_whatever_the_net_does(name: str) -> None:
    for learns in (True, False, None):
        (found,) = RULES[name].run(check(learns=learns, static=(static(name),)))
        assert not found.note
    assert RULES[name].run(run((CONST,) * 3, static=(static(name),)))
    assert not RULES[name].run(check())


@pytest.mark.parametrize("name", RULES)
def test_a_gated_one_needs_a_stuck_net(name: str) -> None:
    stored = (static(name, gated=True),)
    assert not RULES[name].run(check(learns=True, static=stored))
    assert not RULES[name].run(check(learns=None, static=stored))
    (found,) = RULES[name].run(check(static=stored))
    assert not found.note
    assert RULES[name].run(run(static=stored))
    assert not RULES[name].run(run((CONST,) * 99, static=stored))


SIDES = [
    ("rms", 10.1, 9.9),
    ("rms", 0.09, 0.11),
    ("abs_max", 31.0, 29.0),
    ("std_ratio", 101.0, 99.0),
    ("target_rms", 101.0, 99.0),
]


@pytest.mark.parametrize(("field", "bad", "good"), SIDES)
def test_limits_of_the_input(field: str, bad: Any, good: Any) -> None:
    (found,) = input_range.run(check(input=replace(STANDARD, **{field: bad})))
    assert found.evidence[0].value == bad
    assert "limit" in found.says
    assert not input_range.run(check(input=replace(STANDARD, **{field: good})))


def test_constant_features_alone_are_a_note() -> None:
    (found,) = input_range.run(check(input=replace(STANDARD, constant=12)))
    assert found.note
    (found,) = input_range.run(check(input=replace(STANDARD, constant=12, rms=100.0)))
    assert not found.note
    assert [e.stat for e in found.evidence] == ["input_rms", "input_constant"]


def test_the_input_is_gated_and_a_norm_first_makes_it_harmless() -> None:
    raw = replace(STANDARD, rms=100.0)
    assert not input_range.run(check(learns=True, input=raw))
    assert not input_range.run(check(input=raw, layers=layers(norm="batch")))
    first = Layer("bn0", "BatchNorm1d", 0, role="norm")
    assert not input_range.run(check(input=raw, layers=(first, *layers())))
    assert input_range.run(check(input=raw, layers=layers(norm="lrn")))


def test_eval_gap_is_a_note() -> None:
    gap = Symptom("UT206", "eval-gap", (), 0, (Evidence("eval_gap", "", 0, 0.2, 0.05),), "gap")
    (found,) = eval_gap.run(check(static=(gap,)))
    assert found.note


def test_raw_data_found_before_a_training_hold_until_it_learns() -> None:
    stored = (static("input-range", gated=True),)
    (found,) = input_range.run(run((CONST,) * 3, static=stored))
    assert not found.note
    assert not input_range.run(run((CONST,) * 3, static=stored, layers=layers(norm="batch")))
    assert not input_range.run(run((CONST / 2,) * 30, static=stored))
    assert input_range.run(run(static=stored))  # stuck at the verdict: the gate says it
    assert not input_range.run(check(learns=True, static=stored))
