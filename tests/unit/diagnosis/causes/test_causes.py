"""Each cause's static evidence on both sides of its limit."""

import math
from dataclasses import replace
from typing import Any

import pytest

from tests.cases.records import (
    CONST,
    RAW,
    SGD,
    TOO_FAST,
    TOO_SLOW,
    check,
    falling,
    layers,
    run,
    static,
)
from undertow.core.finding import Cause
from undertow.core.plan import Choices, Plan
from undertow.core.record import Record
from undertow.diagnosis.causes.initialisation import off_rule
from undertow.diagnosis.engine import diagnose


def causes(record: Record) -> dict[str, Cause]:
    return {c.name: c for c in diagnose(record).causes}


def test_activation_is_suspected_where_starved_layers_feed_sigmoid() -> None:
    found = causes(check(grad_l2=falling(0.3), layers=layers(act="sigmoid", w2=1.0)))
    assert found["activation"].standing == "suspected"
    assert "layers feed sigmoid (slope ≤ 0.25)" in found["activation"].because
    assert "l0" in found["activation"].layers
    assert "activation" not in causes(check(grad_l2=falling(0.3), layers=layers(act="tanh")))


@pytest.mark.parametrize(("depth", "suspected"), [(4, False), (5, True)])
def test_activation_without_starved_layers_needs_five(depth: int, suspected: bool) -> None:
    found = causes(check(depth=depth, layers=layers(depth, act="sigmoid")))
    assert ("activation" in found) is suspected


@pytest.mark.parametrize(
    ("times", "suspected"), [(2.9, False), (3.1, True), (0.34, False), (0.32, True)]
)
def test_initialisation_off_its_rule(times: float, suspected: bool) -> None:
    record = check(depth=2, layers=layers(2, w2=2 * times**2))
    assert ("initialisation" in causes(record)) is suspected


def test_torchs_default_in_a_deep_relu_net_adds_up() -> None:
    found = causes(check(layers=layers(w2=1 / 3), grad_l2=falling(0.408)))
    assert "0.41 times" in found["initialisation"].because
    assert "over 20 plain layers that is -7.8 decades" in found["initialisation"].because
    assert "initialisation" not in causes(check(depth=3, layers=layers(3, w2=1 / 3)))


@pytest.mark.parametrize(("total", "suspected"), [(1.45, False), (1.55, True)])
def test_limit_of_what_adds_up(total: float, suspected: bool) -> None:
    rows = layers(w2=2 * 10 ** (-2 * total / 20))
    assert ("initialisation" in causes(check(layers=rows))) is suspected


@pytest.mark.parametrize(("times", "suspected"), [(9.5, False), (10.5, True)])
def test_a_minority_of_layers_must_be_far_off(times: float, suspected: bool) -> None:
    first, *rest = layers(6)
    off = replace(first, weight_std=(first.weight_std or 0.0) * times)
    assert ("initialisation" in causes(check(depth=6, layers=(off, *rest)))) is suspected


@pytest.mark.parametrize(("act", "w2"), [("relu", 2.0), ("tanh", 1.0), ("selu", 1.0)])
def test_rules_by_activation(act: str, w2: float) -> None:
    assert off_rule(layers(1, act, w2=w2)[0]) == pytest.approx(1.0, abs=1e-6)
    assert off_rule(layers(1, act, norm="batch")[0]) is None


@pytest.mark.parametrize(
    ("bias", "suspected"), [(-2.9, True), (-2.7, False), (2.9, True), (0, False)]
)
def test_bias_beyond_twice_the_weighted_input(bias: float, suspected: bool) -> None:
    record = check(dead=1.0, layers=layers(bias=bias))  # std of Wx is √2
    assert ("bias" in causes(record)) is suspected


@pytest.mark.parametrize(("std", "suspected"), [(7.9, True), (8.1, False)])
def test_a_random_draw_of_biases_is_no_choice(std: float, suspected: bool) -> None:
    rows = tuple(replace(y, bias_std=std) for y in layers(bias=-3.0))  # 64 units: error std/8
    assert ("bias" in causes(check(dead=1.0, layers=rows))) is suspected


def test_depth_beyond_six_depth_scales() -> None:
    found = causes(check(grad_l2=falling(0.5), layers=layers(act="tanh", w2=0.5)))
    assert found["depth"].because.startswith("20 plain layers; by theory a signal")
    scale = 6 / abs(math.log(0.5))  # χ₁ = σ_w² below criticality: f'(0) = 1
    assert found["depth"].evidence[0].limit == pytest.approx(scale, rel=1e-6)
    critical = check(grad_l2=falling(0.5), layers=layers(w2=2.0))
    assert "depth" not in causes(critical)
    skips = Plan("mlp", Choices(skip="projection"))
    record = check(grad_l2=falling(0.5), layers=layers(act="tanh", w2=0.5), plan=skips)
    assert "depth" not in causes(record)


def test_normalisation_missing_or_too_long() -> None:
    sick: dict[str, Any] = {"grad_l2": falling(0.5)}
    assert "none of 20 hidden layers" in causes(check(**sick))["normalisation"].because
    assert "normalisation" not in causes(check(layers=layers(norm="batch"), **sick))
    for depth, named in ((4, False), (5, True)):
        short = check(depth=depth, spread=0.01, layers=layers(depth))
        assert ("normalisation" in causes(short)) is named
    deep = check(depth=31, grad_l2=falling(0.5, 31), layers=layers(31, norm="batch"))
    assert "limit 30" in causes(deep)["normalisation"].because


@pytest.mark.parametrize(
    ("record", "stat"),
    [
        (check(curvature=210.0), "stability"),
        (check(update_ratio=0.11), "update_ratio"),
        (check(update_ratio=9.5e-6), "update_ratio"),
        (check(line=TOO_FAST), "line_best"),
        (check(line=TOO_SLOW, update_ratio=3e-4), "line_best"),
    ],
)
def test_learning_rate_evidence(record: Record, stat: str) -> None:
    assert stat in [e.stat for e in causes(record)["learning-rate"].evidence]


@pytest.mark.parametrize("columns", [{"update_ratio": 0.09}, {"update_ratio": 1.05e-5}, {}])
def test_learning_rate_is_not_suspected_without(columns: dict[str, Any]) -> None:
    assert "learning-rate" not in causes(check(curvature=190.0, **columns))
    unknown = check(update_ratio=0.5, optimizer=replace(SGD, name=""))
    assert "learning-rate" not in causes(unknown)


def test_input_scale_by_the_raw_features() -> None:
    found = causes(check(input=RAW))["input-scale"]
    assert "root mean square 130 and reach 255" in found.because
    small = replace(RAW, rms=0.01, abs_max=0.03)
    assert "root mean square is 0.01" in causes(check(input=small))["input-scale"].because
    assert "input-scale" not in causes(check(input=RAW, layers=layers(norm="batch")))


def test_head_loss_and_labels_by_their_static_match() -> None:
    for symptom, cause in (
        ("head-mismatch", "output-head"),
        ("loss-mismatch", "loss"),
        ("label-error", "labels"),
    ):
        (only,) = diagnose(check(learns=True, static=(static(symptom),))).causes
        assert (only.name, only.because) == (cause, f"{symptom} seen")


def test_labels_where_one_batch_is_learned_and_the_data_is_not() -> None:
    shuffled = run((CONST,) * 100, one_batch=(CONST, 0.1, 0.1, 0.1))
    assert "one batch can be learned" in causes(shuffled)["labels"].because
    assert "labels" not in causes(run((CONST,) * 100))


def test_symmetric_rows_are_the_initialisations_fault() -> None:
    found = causes(check(static=(static("symmetric-weights", gated=True),)))
    assert "rows of a weight start equal" in found["initialisation"].because


FALLING = [2.0 * 0.97**i for i in range(60)]  # .33 at the end


def broken(*at: float, after: float = 3.0, lr: float = 0.1) -> Record:
    """A sound run, from step 60 on losses and a rate of their own, then no progress."""
    record = run([*FALLING, *at, *[after] * 60])
    later = tuple(replace(m, lr=lr) for m in record.metrics[60:])
    return replace(record, metrics=(*record.metrics[:60], *later))


@pytest.mark.parametrize(
    ("record", "blamed"),
    [
        (broken(30.0), True),
        (broken(5.0), False),  # not 30 times the .44 usual then
        (broken(math.nan, after=math.nan), True),
        (broken(2.0, 30.0), False),  # announced: it runs away
        (broken(1.0, 30.0), True),
        (broken(30.0, lr=0.4), False),  # the rate rose just then
        (broken(30.0, lr=0.3), True),
        (run([*[2.0] * 60, 900.0, *[3.0] * 60]), False),  # nothing had been learned
        (run([2.0, *[1e-4] * 60, 0.1, *[3.0] * 60]), False),  # near 0 a loss jumps by chance
    ],
)
def test_one_batch_is_suspected_where_a_sound_run_breaks_unannounced(
    record: Record, blamed: bool
) -> None:
    found = causes(record)
    assert ("batch" in found) is blamed
    assert (diagnose(record).mechanism == "data") is blamed
    assert not blamed or "the loss of step 6" in found["batch"].because


def test_a_spike_that_training_comes_back_from_is_no_finding() -> None:
    assert diagnose(broken(30.0, after=0.3)).healthy


def test_nan_in_a_batch_is_the_batchs() -> None:
    record = run([*FALLING, math.nan], act_max=math.nan)
    record = replace(record, facts=(("origin", "input 60 forward nan"),))
    assert causes(record)["batch"].because.endswith("before the first layer")
    assert diagnose(record).mechanism == "data"
