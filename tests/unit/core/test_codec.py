"""Frozen data goes to JSON and back: equal, 6 digits, no bare NaN, strict about its shape."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undertow.core.codec import decode, encode, rounded
from undertow.core.errors import UsageError
from undertow.core.finding import Evidence, Experiment, Reading, Symptom
from undertow.core.plan import Choices, Edit, Plan, TrainChoices
from undertow.core.record import Column, Layer, LinePoint, Record, Scalars, Snapshot
from undertow.core.run import Evaluation, Run

PLAN = Plan(
    "conv",
    Choices(act="relu", aux=True, dropout=0.5),
    (("depth", 12), ("pool_at", (4, 8))),
    train=TrainChoices(lr=0.125, clip_norm=1.0, standardise=False),
)
EXPERIMENT = Experiment(
    "bias",
    "0",
    Reading("dead", 1.0),
    Reading("dead", None, math.inf),
    "worse",
    edits=(Edit("reset_bias", True), Edit("lr", 0.5), Edit("act", "relu"), Edit("depth", 3)),
)
RECORD = Record(
    plan=PLAN,
    layers=(Layer("a", "Conv2d", 0, weight_std=0.25), Layer("b", "Linear", 1)),
    metrics=(Scalars(0, loss=math.inf, lr=0.5), Scalars(1)),
    snapshots=(Snapshot(0, (Column("grad_l2", (None, math.inf)), Column("dead", (0.0, 1.0)))),),
    static=(Symptom("UT203", "label-error", (), 0, (Evidence("label", "", 0, 11, 9),)),),
    line=(LinePoint(0.001, -math.inf),),
    one_batch=(2.5, 1.25),
    experiments=(EXPERIMENT,),
    facts=(("seed", "0"),),
)


def through_json(value: object) -> object:
    return json.loads(json.dumps(encode(value), allow_nan=False))


@pytest.mark.parametrize("value", [PLAN, EXPERIMENT, RECORD, replace(RECORD, plan=None)])
def test_there_and_back_is_equal(value: Plan | Experiment | Record) -> None:
    again = decode(type(value), through_json(value))
    assert again == value
    assert hash(again) == hash(value)


def test_paths_and_nested_results() -> None:
    found = Evaluation(1, 0.5, None, 10)
    run = Run(Path("runs/x"), (Scalars(0, 1.0),), (found,), found, interrupted=True)
    assert decode(Run, through_json(run)) == run


def test_words_for_what_is_no_number() -> None:
    assert encode((math.nan, math.inf, -math.inf, None, 1)) == ["nan", "inf", "-inf", None, 1]
    back = decode(Scalars, {"step": 1, "loss": "nan", "lr": "-inf"})
    assert back.loss is not None
    assert math.isnan(back.loss)
    assert back.lr == -math.inf


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_six_significant_digits_and_then_no_further_change(value: float) -> None:
    once = rounded(value)
    assert rounded(once) == once
    assert abs(once - value) <= abs(value) * 5.0001e-6 or abs(value) < 1e-300
    again = decode(Scalars, through_json(Scalars(0, value)))
    assert again == Scalars(0, once)


def test_rounding_is_that_of_the_sixth_digit() -> None:
    assert rounded(1234567.0) == 1234570.0
    assert rounded(0.00012345678) == 0.000123457


def test_unknown_keys_are_ignored_and_missing_ones_default() -> None:
    assert decode(Plan, {"model": "mlp", "from": "the future"}) == Plan("mlp")


@pytest.mark.parametrize(
    "stored", [None, 3, "x", {}, {"model": "mlp", "choices": 3}, {"model": "m", "sizes": 4}]
)
def test_another_shape_is_refused_in_words(stored: object) -> None:
    with pytest.raises(UsageError, match="not a stored Plan"):
        decode(Plan, stored)


def test_a_word_where_a_number_belongs_is_refused() -> None:
    with pytest.raises(UsageError, match="not a stored Scalars"):
        decode(Scalars, {"step": 1, "loss": "large"})


def test_what_has_no_form_is_refused() -> None:
    with pytest.raises(UsageError, match="object has no JSON form"):
        encode({"a": [object()]})
    assert encode({1: {"b"}}) == {"1": ["b"]}
