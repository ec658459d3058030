"""A record answers by layer path and role; what was not measured is not a number."""

import math

import pytest

from undertow.core.record import Column, Layer, OptimizerFacts, Record, Scalars, Snapshot

SNAP = Snapshot(
    3, (Column("grad_l2", (1.0, None, math.nan, 4.0)), Column("dead", (0.5, 0.25, None, None)))
)
RECORD = Record(
    layers=(
        Layer("a", "Conv2d", 0),
        Layer("b", "Conv2d", 1),
        Layer("bn", "BatchNorm2d", 2, role="norm"),
        Layer("fc", "Linear", 3, role="head"),
    ),
    metrics=(Scalars(0), Scalars(7)),
    snapshots=(SNAP,),
)


def test_a_profile_holds_what_was_measured_of_a_role() -> None:
    assert RECORD.profile("grad_l2", SNAP) == {"a": 1.0}
    assert RECORD.profile("dead", SNAP) == {"a": 0.5, "b": 0.25}
    assert RECORD.profile("grad_l2", SNAP, ("hidden", "head")) == {"a": 1.0, "fc": 4.0}
    assert math.isnan(RECORD.profile("grad_l2", SNAP, ("norm",))["bn"])
    assert RECORD.profile("unheard-of", SNAP) == {}


def test_a_column_that_was_not_measured_is_empty() -> None:
    assert SNAP.column("act_rms") == ()
    assert SNAP.column("dead") == (0.5, 0.25, None, None)


def test_layers_are_found_by_path_and_by_property() -> None:
    found = RECORD.layer("fc")
    assert found is not None
    assert found.order == 3
    assert RECORD.layer("fc2") is None
    assert [y.path for y in RECORD.where(lambda y: y.kind == "Conv2d")] == ["a", "b"]


def test_normalised_sees_a_norm_of_its_own_and_one_behind_a_layer() -> None:
    assert RECORD.normalised
    assert Record(layers=(Layer("a", "Conv2d", 0, norm="group"),)).normalised
    assert not Record(layers=RECORD.layers[:2]).normalised


def test_the_last_step_is_that_of_scalars_or_rows() -> None:
    assert RECORD.last_step == 7
    assert Record(snapshots=(SNAP,)).last_step == 3
    assert Record().last_step == -1


@pytest.mark.parametrize(
    ("name", "adaptive"), [("adam", True), ("AdamW", True), ("rmsprop", True), ("sgd", False)]
)
def test_adam_and_its_family_are_adaptive(name: str, adaptive: bool) -> None:
    assert OptimizerFacts(name).adaptive is adaptive
