"""UT106 and UT107: exact zeros, and what is not one."""

import math
from dataclasses import replace

from tests.cases.records import SGD, check, run
from undertow.core.record import Scalars
from undertow.diagnosis.symptoms.still import unchanged_parameters, zero_gradient

ONE = [0.0, *(1.0,) * 19]
STAYS = [0.0, *(1e-3,) * 19]


def test_zero_gradient_in_a_stuck_net_and_in_a_run() -> None:
    (found,) = zero_gradient.run(check(wgrad_l2=ONE))
    assert found.layers == ("l0",)
    assert not found.note
    (found,) = zero_gradient.run(run(wgrad_l2=ONE))
    assert found.since == 0
    assert not found.note


def test_a_zero_chosen_for_the_start_is_a_note() -> None:
    for learns in (True, None):
        (found,) = zero_gradient.run(check(learns=learns, wgrad_l2=ONE))
        assert found.note
    started = run(wgrad_l2=1.0, first={"wgrad_l2": ONE})
    assert not zero_gradient.run(started)


def test_all_zero_is_a_finding_unless_nothing_is_left_to_gain() -> None:
    (found,) = zero_gradient.run(check(learns=None, wgrad_l2=0.0))
    assert not found.note
    assert "every weight" in found.says
    sure = [3.0, 1.0, *(0.0,) * 99]  # answers so sure that the loss rounds to 0
    assert not zero_gradient.run(run(sure, wgrad_l2=0.0))
    assert zero_gradient.run(run(sure, wgrad_l2=ONE))  # a layer alone has none for another reason
    assert zero_gradient.run(run([3.0, 1.0, *(1e-6,) * 99], wgrad_l2=0.0))


def test_small_or_not_measured_is_no_zero() -> None:
    assert not zero_gradient.run(check(wgrad_l2=1e-40))
    assert not zero_gradient.run(check(wgrad_l2=[None] * 20))


def test_unchanged_though_a_gradient_arrives() -> None:
    (found,) = unchanged_parameters.run(check(learns=True, update_ratio=STAYS))
    assert found.layers == ("l0",)
    assert "rounding" not in found.says
    (found,) = unchanged_parameters.run(run(update_ratio=STAYS))
    assert found.layers == ("l0",)


def test_unchanged_by_rounding_says_so() -> None:
    (found,) = unchanged_parameters.run(check(update_ratio=STAYS, wgrad_l2=7.9e-6))
    assert found.says.endswith("so small that rounding drops it")  # weight_l2 is 8
    (found,) = unchanged_parameters.run(check(update_ratio=STAYS, wgrad_l2=8.1e-6))
    assert "rounding" not in found.says


def test_unchanged_is_silent_on_what_explains_itself() -> None:
    assert not unchanged_parameters.run(check(update_ratio=STAYS, wgrad_l2=ONE))
    assert not unchanged_parameters.run(check(update_ratio=STAYS, wgrad_l2=[math.nan] * 20))
    assert not unchanged_parameters.run(check(update_ratio=1e-12))
    stopped = replace(SGD, lr=0.0)
    assert not unchanged_parameters.run(check(update_ratio=STAYS, optimizer=stopped))


def test_a_schedule_that_reaches_zero_is_no_finding() -> None:
    record = run(update_ratio=STAYS)
    ended = tuple(Scalars(m.step, m.loss, 0.0 if m.step > 60 else 0.1) for m in record.metrics)
    assert not unchanged_parameters.run(replace(record, metrics=ended))
