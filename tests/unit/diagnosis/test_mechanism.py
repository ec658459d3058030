"""The ordered list, its order and limits, and what experiments make of it."""

import math
from dataclasses import replace
from typing import Any

import pytest

from tests.cases.records import (
    ADAM,
    CONST,
    RAW,
    SGD,
    TOO_FAST,
    TOO_SLOW,
    check,
    experiment,
    falling,
    layers,
    line,
    run,
    static,
)
from undertow.core.finding import Evidence, Experiment, Symptom
from undertow.core.record import OptimizerFacts, Record
from undertow.diagnosis.mechanism import name, raises

SLOW = OptimizerFacts("Adam", 1e-5)
STUCK = (Symptom("UT109", "no-progress", (), 0, (Evidence("progress", "", 0, 1.0, 0.9),), "stuck"),)


def word(record: Record) -> str:
    return name(record, STUCK)[0]


def test_without_a_finding_nothing_is_named() -> None:
    assert name(check(grad_l2=falling(0.5)), ()) == ("healthy", ())


@pytest.mark.parametrize(
    ("columns", "sick"),
    [
        ({"dead": 0.91}, "dead"),
        ({"dead": 0.89}, "healthy"),
        ({"saturated": 0.51}, "saturated"),
        ({"saturated": 0.49}, "healthy"),
        ({"grad_l2": [10.0**-2.1, *(1.0,) * 19]}, "vanishing"),
        ({"grad_l2": [10.0**-1.9, *(1.0,) * 19]}, "healthy"),
        ({"grad_l2": [10.0**1.6, *(1.0,) * 19]}, "exploding"),
        ({"grad_l2": [10.0**1.4, *(1.0,) * 19]}, "healthy"),
        ({"act_rms": [1.0, *(10.0**1.6,) * 19]}, "exploding"),
        ({"spread": 0.031}, "vanishing"),
        ({"spread": 0.032}, "healthy"),
        ({"spread": 0.05, "act_rms": 0.059}, "vanishing"),
        ({"spread": 0.05, "act_rms": 0.061}, "healthy"),
    ],
)
def test_limits_at_the_start(columns: dict[str, Any], sick: str) -> None:
    assert word(check(**columns)) == sick


@pytest.mark.parametrize(("times", "sick"), [(4.1, "exploding"), (3.9, "healthy")])
def test_limit_of_the_first_loss(times: float, sick: str) -> None:
    assert word(check(first_loss=times * CONST)) == sick


def test_dead_outside_the_relu_family_is_vanishing() -> None:
    assert word(check(dead=1.0, layers=layers(act="gelu"))) == "vanishing"
    assert word(check(dead=1.0, layers=layers(act="leaky-relu"))) == "dead"
    assert word(check(dead=1.0, layers=layers(act=""))) == "healthy"


def test_the_first_match_wins_and_the_rest_are_others() -> None:
    record = check(dead=1.0, input=RAW, saturated=0.9, grad_l2=falling(0.5), line=TOO_FAST)
    first, others = name(record, (*STUCK, static("head-mismatch")))
    assert first == "head"
    assert others == ("dead", "input-scale", "saturated", "vanishing", "lr-high")


@pytest.mark.parametrize(
    ("own", "sick"), [(1.03 * CONST, "lr-high"), (1.01 * CONST, "healthy"), (math.inf, "lr-high")]
)
def test_the_own_step_raises_the_loss(own: float, sick: str) -> None:
    assert word(check(line=line(CONST, CONST * 0.99, CONST, own, 50.0))) == sick


def test_a_best_step_at_the_own_rate_or_above_is_not_too_high() -> None:
    assert word(check(line=line(CONST * 9, CONST * 8, CONST * 7, CONST * 1.1))) == "healthy"


@pytest.mark.parametrize(("end", "sick"), [(1.51, "lr-high"), (1.49, "healthy")])
def test_one_batch_runs_away(end: float, sick: str) -> None:
    assert word(check(one_batch=(CONST, *(end * CONST,) * 50))) == sick


@pytest.mark.parametrize(("update", "sick"), [(3.9e-4, "lr-low"), (4.1e-4, "vanishing")])
def test_too_low(update: float, sick: str) -> None:
    """Below it nothing else is asked; above, what the run shows later comes first."""
    record = run(update_ratio=update, optimizer=SGD, first={"update_ratio": update}, spread=0.01)
    assert word(record) == sick


@pytest.mark.parametrize(("update", "sick"), [(2.9e-3, "lr-low"), (3.1e-3, "healthy")])
def test_a_slow_rate_is_named_where_all_else_is_sound(update: float, sick: str) -> None:
    near = line(CONST, CONST, CONST, CONST, CONST * 0.9, CONST * 0.95, 40.0)
    assert word(check(line=near, update_ratio=update)) == sick
    own = line(CONST, CONST, CONST * 0.99, CONST * 0.9, CONST, CONST, 40.0)
    assert word(check(line=own, update_ratio=update)) == "healthy"


@pytest.mark.parametrize(("update", "sick"), [(0.11, "lr-high"), (0.09, "healthy")])
def test_hard_steps_are_named_where_all_else_is_sound(update: float, sick: str) -> None:
    assert word(run(update_ratio=update)) == sick


def test_raw_features_behind_a_layer_norm_are_named_where_all_else_is_sound() -> None:
    record = run(input=RAW, layers=layers(norm="layer"), update_ratio=0.11)
    assert word(record) == "input-scale"


@pytest.mark.parametrize("probe", [TOO_FAST, TOO_SLOW])
def test_without_an_optimiser_the_rate_is_not_tested(probe: tuple[object, ...]) -> None:
    record = check(line=probe, update_ratio=1e-4, optimizer=OptimizerFacts(), learns=False)
    assert word(record) == "healthy"


def test_in_training_later_sickness_is_the_rates_only_after_a_hard_step() -> None:
    late = run(grad_l2=falling(0.5), first={"update_ratio": 0.11})
    assert word(late) == "lr-high"
    soft = run(grad_l2=falling(0.5), first={"update_ratio": 0.095})
    assert word(soft) == "vanishing"


def test_in_training_what_was_there_at_the_start_is_no_matter_of_the_rate() -> None:
    assert word(run(grad_l2=falling(0.5), update_ratio=0.5)) == "vanishing"


def clears(factor: str, *edits: tuple[str, str | float | bool], off: bool = True) -> Experiment:
    return experiment(factor, "clears", *edits, deviates=off)


@pytest.mark.parametrize(
    ("found", "named"),
    [
        (clears("learning-rate", ("lr", 0.01)), "lr-high"),
        (clears("learning-rate", ("lr", 1.0)), "lr-low"),
        (clears("input-scale", ("standardise", True)), "input-scale"),
        (clears("bias", ("reset_bias", True)), "dead"),
        (clears("output-head"), "head"),
        (clears("loss"), "head"),
        (clears("labels"), "data"),
        (clears("initialisation", ("init", "he-normal")), "vanishing"),
        (clears("normalisation", ("norm", "batch"), off=False), "vanishing"),
        (clears("learning-rate", ("optimizer", "adam"), ("lr", 1e-3)), "healthy"),
        (clears("learning-rate", ("clip_norm", 1.0)), "healthy"),
        (clears("activation + initialisation", ("act", "relu"), ("init", "he-normal")), "healthy"),
        (experiment("initialisation", "helps", ("init", "he-normal")), "healthy"),
    ],
)
def test_an_experiment_names_what_the_list_does_not(found: Experiment, named: str) -> None:
    assert word(check(experiments=(found,))) == named


def test_biases_of_a_bounded_activation_saturate() -> None:
    found = clears("bias", ("reset_bias", True))
    assert word(check(layers=layers(act="tanh"), experiments=(found,))) == "saturated"


def test_the_list_is_overruled_only_if_its_own_factor_was_tried_in_vain() -> None:
    rate = clears("learning-rate", ("lr", 0.01))
    vain = experiment("input-scale", "no change", ("standardise", True))
    works = clears("input-scale", ("standardise", True))
    assert word(check(input=RAW, experiments=(rate,))) == "input-scale"
    assert word(check(input=RAW, experiments=(vain, rate))) == "lr-high"
    assert word(check(input=RAW, experiments=(works, rate))) == "input-scale"
    generic = replace(rate, deviates=False)
    assert word(check(input=RAW, experiments=(vain, generic))) == "input-scale"


def test_a_rate_that_clears_the_other_way_does_not_confirm() -> None:
    up = clears("learning-rate", ("lr", 1.0))
    assert word(check(line=TOO_FAST, experiments=(up,))) == "lr-low"


def test_convention_among_several() -> None:
    rate = clears("learning-rate", ("lr", 0.01))
    bias = clears("bias", ("reset_bias", True))
    first, others = name(check(experiments=(rate, bias)), STUCK)
    assert (first, others) == ("dead", ("lr-high",))


def test_direction_by_variant_where_there_is_no_edit() -> None:
    record = check(optimizer=ADAM)
    assert raises(record, experiment("learning-rate", "clears", variant="× 10"))
    assert not raises(record, experiment("learning-rate", "clears", variant="× 0.1"))


@pytest.mark.parametrize(
    ("optimizer", "moves", "sick"),
    [(SLOW, 3e-5, "lr-low"), (SLOW, 1e-7, "vanishing"), (SGD, 3e-5, "vanishing")],
)
def test_adam_standing_still_shows_the_rate(
    optimizer: OptimizerFacts, moves: float, sick: str
) -> None:
    """A step of the rate's own size; smaller than that, or in SGD, it is the signal's."""
    slow = {"line": TOO_SLOW, "optimizer": optimizer, "update_ratio": moves}
    assert word(check(grad_l2=falling(0.5), **slow)) == sick


def test_what_overflows_later_was_not_starved() -> None:
    """A gradient lost at the start explains no loss that is not finite after some steps."""
    record = run([CONST] * 20 + [math.inf], grad_l2=falling(0.5))
    broken = Symptom("UT108", "non-finite", (), 20, (), "the loss is not finite")
    assert name(record, (broken,))[0] == "lr-high"
    assert name(record, STUCK)[0] == "vanishing"


@pytest.mark.parametrize(
    ("columns", "sick", "also"),
    [
        ({"act_rms": [1.0, *(10.0**1.6,) * 19]}, "input-scale", "exploding"),
        ({"saturated": 0.9}, "input-scale", "saturated"),
        ({}, "input-scale", None),
        ({"grad_l2": falling(0.5)}, "vanishing", "input-scale"),
        ({"line": TOO_FAST}, "lr-high", "input-scale"),
    ],
)
def test_raw_features_are_the_fault_only_where_they_harm(
    columns: dict[str, Any], sick: str, also: str | None
) -> None:
    """A signal lost on the way, or a rate that runs off, is not undone by standardising."""
    first, others = name(check(input=RAW, **columns), STUCK)
    assert first == sick
    assert also is None or also in others
