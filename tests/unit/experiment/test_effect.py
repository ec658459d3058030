"""The interval against scipy's t; each word of a verdict by trials made by hand."""

import math
from dataclasses import replace
from statistics import fmean, stdev

import pytest
from scipy import stats

from undertow.core.plan import Edit
from undertow.core.verdict import LATE, Trial
from undertow.experiment.effect import (
    CAP,
    SEEDS,
    Arms,
    effect,
    interval,
    judged,
    promising,
    verdict,
)

CONTROL = (1.0, 0.99, 1.01)
TREATED = (0.3, 0.28, 0.33)


def arm(
    name: str, values: tuple[float, ...], held: tuple[float | None, ...] | None = None
) -> tuple[Trial, ...]:
    """Trials of seeds 0, 1, 2, ...: the training loss, and the held-back one (the same)."""
    pairs = zip(values, values if held is None else held, strict=True)
    return tuple(Trial(name, i, 10, t, h, parameters=100) for i, (t, h) in enumerate(pairs))


def arms(
    control: tuple[Trial, ...] = arm("control", CONTROL),
    treated: tuple[Trial, ...] = arm("relu", TREATED),
    decoy: tuple[Trial, ...] = arm("decoy", (1.0, 1.0, 1.02)),
) -> Arms:
    return Arms(control, treated, decoy)


def word(given: Arms) -> tuple[str, str]:
    found = verdict(given, "relu", (Edit("act", "relu"),))
    return found.word, found.why


@pytest.mark.parametrize(("looks", "level"), [(1, 0.95), (2, 0.975)])
@pytest.mark.parametrize("n", [2, 3, 5, 10, 21, 400])
def test_the_interval_is_students(n: int, looks: int, level: float) -> None:
    values = [math.sin(i) for i in range(n)]
    low, high = stats.t.interval(level, n - 1, fmean(values), stdev(values) / math.sqrt(n))
    assert interval(values, looks) == pytest.approx((low, high), rel=5e-3)


def test_with_many_values_the_interval_is_normal_and_with_one_there_is_none() -> None:
    values = [math.sin(i) for i in range(400)]
    low, high = stats.norm.interval(0.95, fmean(values), stdev(values) / 20)
    assert interval(values) == pytest.approx((low, high), rel=1e-3)
    assert interval([1.0]) == (-math.inf, math.inf)


def test_the_effect_is_paired_by_seed_not_by_place() -> None:
    control = arm("control", (1.0, 0.5, 0.9))
    treated = tuple(reversed(arm("relu", (0.9, 0.4, 0.8))))
    found = effect(treated, control)
    assert found is not None
    assert found.value == pytest.approx(-0.1)
    assert found.high - found.low == pytest.approx(0, abs=1e-9)
    assert (found.seeds, found.agree, found.metric) == (3, 3, "held-back loss / constant loss")


def test_seeds_that_agree_are_counted() -> None:
    found = effect(arm("a", (0.5, 1.1, 0.5)), arm("b", (1.0, 1.0, 1.0)))
    assert found is not None
    assert found.agree == 2
    assert effect(arm("a", ()), arm("b", ())) is None


@pytest.mark.parametrize("value", [None, math.nan, math.inf, 7.0])
def test_a_loss_beyond_the_cap_counts_as_the_cap(value: float | None) -> None:
    assert judged(Trial("a", 0, 1, value), False) == CAP
    assert judged(Trial("a", 0, 1, 0.5, value), True) == CAP


def test_one_without_held_back_data_is_judged_by_training() -> None:
    found = effect(arm("a", TREATED, (0.1, None, 0.1)), arm("b", CONTROL))
    assert found is not None
    assert found.metric == "training loss / constant loss"
    assert found.value == pytest.approx(fmean(TREATED) - 1)


def test_repaired_where_every_condition_holds() -> None:
    assert word(arms()) == ("repaired", "trains in 3 of 3 seeds, the control in 0")
    found = verdict(arms(), "relu", (Edit("act", "relu"),))
    assert found.effect is not None
    assert found.decoy is not None
    assert found.interval == (found.effect.low, found.effect.high)
    assert (found.seeds, len(found.trials), found.remedy) == ((0, 1, 2), 9, "relu")


SICK_SYMPTOM = tuple(replace(t, symptoms=("dead-units",)) for t in arm("relu", TREATED)[:1])
IMPROVED = {
    "not in every seed": (
        arms(treated=arm("r", (0.3, 0.95, 0.3), (0.3, 0.5, 0.3))),
        "2 of 3 seeds",
    ),
    "less than half way": (
        arms(arm("c", (1.9, 1.9, 1.9)), arm("r", (0.6, 0.6, 0.1)), arm("d", (1.9, 1.9, 1.9))),
        "in 2 of 3 seeds it goes not half as far",
    ),
    "a symptom stays": (
        arms(treated=(*SICK_SYMPTOM, *arm("relu", TREATED)[1:])),
        "a symptom stays",
    ),
    "no held-back data": (
        arms(
            arm("c", CONTROL, (None,) * 3),
            arm("r", TREATED, (None,) * 3),
            arm("d", CONTROL, (None,) * 3),
        ),
        "training loss only",
    ),
    "memorises": (
        arms(
            arm("c", CONTROL, (1.5, 1.51, 1.5)),
            arm("r", TREATED, (0.97, 0.96, 0.98)),
            arm("d", CONTROL, (1.5, 1.52, 1.5)),
        ),
        "not shown to beat the best constant",
    ),
    "held-back interval reaches 1": (
        arms(
            arm("c", CONTROL, (1.9, 2.0, 1.95)),
            arm("r", TREATED, (0.7, 0.8, 0.95)),
            arm("d", CONTROL, (1.9, 2.0, 1.95)),
        ),
        "not shown to beat the best constant",
    ),
    "control trains": (
        arms(control=arm("c", (0.6, 0.59, 0.62)), decoy=arm("d", (0.95, 0.96, 0.97))),
        "control mostly trains too",
    ),
    "no decoy": (arms(decoy=()), "no decoy was run"),
}


@pytest.mark.parametrize("case", IMPROVED)
def test_improved_where_one_condition_fails(case: str) -> None:
    given, said = IMPROVED[case]
    found, why = word(given)
    assert found == "improved"
    assert said in why


def test_half_way_is_measured_against_the_best_arm() -> None:
    far = arm("r", (0.6, 0.6, 0.6))
    assert word(arms(treated=far))[0] == "repaired"
    lucky = (Trial("decoy", 0, 10, 0.1, 1.0), *arm("decoy", (1.0, 1.0, 1.02))[1:])
    found, why = word(arms(treated=far, decoy=lucky))
    assert (found, why) == (
        "improved",
        "in 3 of 3 seeds it goes not half as far as the best arm",
    )


@pytest.mark.parametrize("failed", [math.inf, 40.0, 0.95])
def test_how_far_a_control_fails_in_some_seeds_says_nothing(failed: float) -> None:
    """One that diverges in one seed and limps in the others does not train in most of them."""
    limps = arm("c", (failed, 0.84, 0.81))
    found = verdict(arms(limps, arm("r", (0.04, 0.05, 0.04)), limps), "relu", ())
    assert (found.word, found.why) == ("repaired", "trains in 3 of 3 seeds, the control in 0")


MIXED = arm("c", (math.inf, 0.3, math.inf))  # it trains in one seed of three


@pytest.mark.parametrize(
    ("control", "treated", "more"),
    [
        (MIXED, TREATED, True),
        (MIXED, (0.3, 0.28, 0.7), False),  # it does not train in every seed
        (arm("c", (0.3, 0.3, math.inf)), TREATED, False),  # the control mostly trains
        (arm("c", CONTROL), TREATED, False),  # shown by the first look
        (MIXED[:2], TREATED[:2], False),  # fewer than three pairs
    ],
)
def test_seeds_are_added_where_the_control_trains_in_some(
    control: tuple[Trial, ...], treated: tuple[float, ...], more: bool
) -> None:
    assert promising(arms(control, arm("r", treated))) is more


@pytest.mark.parametrize(
    ("decoy", "more"),
    [
        (MIXED, True),
        (arm("d", (0.3, 0.28, math.inf)), False),  # it mostly trains: no luck
        (arm("d", (1.0, 1.01, 1.0)), False),  # shown by the first look
        (arm("d", (0.02, 1.1, 1.1)), True),
    ],
)
def test_seeds_are_added_where_the_decoy_trains_in_some(
    decoy: tuple[Trial, ...], more: bool
) -> None:
    given = arms(arm("c", CONTROL), arm("r", TREATED), decoy)
    assert promising(given) is more
    assert (verdict(given, "relu", ()).word == "repaired") is not (more or decoy[1].train == 0.28)


def test_a_second_look_has_the_wider_interval_and_says_so() -> None:
    control = arm("c", (math.inf, 0.3, math.inf, 1.0, 0.99, math.inf))
    given = arms(control, arm("r", TREATED * 2), arm("d", (1.0, 1.02, 1.0) * 2))
    once, twice = (verdict(replace(given, looks=n), "relu", ()) for n in (1, 2))
    assert once.effect is not None
    assert twice.effect is not None
    assert twice.effect.low < once.effect.low < once.effect.high < twice.effect.high < 0
    assert (once.word, twice.word) == ("repaired", "repaired")
    assert "seeds were added after a first look" in twice.why
    assert "added" not in once.why


NOT_SHOWN = {
    "two seeds": (arms(arm("c", CONTROL[:2]), arm("r", TREATED[:2])), "only 2 of at least 3"),
    "includes 0": (arms(treated=arm("r", (0.2, 1.3, 0.9))), "includes 0"),
    "decoy as good": (arms(decoy=arm("d", (0.29, 0.3, 0.31))), "did as well"),
    "nothing ran": (arms((), (), ()), "only 0 of at least 3"),
}


@pytest.mark.parametrize("case", NOT_SHOWN)
def test_not_shown(case: str) -> None:
    given, said = NOT_SHOWN[case]
    found, why = word(given)
    assert found == "not-shown"
    assert said in why


def test_not_shown_where_the_budget_cut_it() -> None:
    """Four whole pairs would do; one that never ran makes the word honest all the same."""
    late = Trial("relu", 4, 0, None, fault=LATE)
    whole = [arm(name, (*v, v[0])) for name, v in (("c", CONTROL), ("relu", TREATED))]
    found, why = word(arms(whole[0], (*whole[1], late)))
    assert found == "not-shown"
    assert "the budget ended it after 4 whole pairs" in why


def test_no_better_than_guessing_is_not_shown() -> None:
    """A control that blows up is beaten by a net that answers with the class shares."""
    flat = arm("relu", (0.99, 1.0, 1.0), (1.0, 1.01, 1.0))
    found, why = word(arms(arm("c", (2.0, 2.0, 2.0)), flat, arm("d", (1.9, 2.0, 2.0))))
    assert (found, "no better than the best constant" in why) == ("not-shown", True)


def test_without_a_constant_answer_a_change_is_improved_at_most() -> None:
    treated = tuple(replace(t, by_constant=False) for t in arm("relu", TREATED))
    found, why = word(arms(treated=treated))
    assert (found, "cannot be known" in why) == ("improved", True)


def test_a_trial_that_could_not_run_is_no_evidence() -> None:
    lost = (Trial("control", 0, 0, None, fault="BrokenProcessPool"), *arm("c", CONTROL)[1:])
    said = "only 2 of at least 3 paired seeds ran: BrokenProcessPool"
    assert word(arms(control=lost)) == ("not-shown", said)
    dead = tuple(Trial("control", i, 0, None, fault="lost") for i in range(3))
    assert word(arms(control=dead))[0] == "not-shown"


def test_worse_where_the_interval_lies_on_the_wrong_side() -> None:
    found, why = word(arms(control=arm("c", TREATED), treated=arm("r", CONTROL)))
    assert (found, "wrong side" in why) == ("worse", True)


def test_worse_where_losses_become_non_finite() -> None:
    broken = (replace(arm("r", (0.1,))[0], first_bad_step=7), *arm("r", TREATED)[1:])
    assert word(arms(treated=broken)) == ("worse", "the change brings losses that are not finite")
    both = tuple(replace(t, first_bad_step=3) for t in arm("c", CONTROL))
    assert word(arms(control=both, treated=broken))[0] != "worse"


def test_side_effects_are_named_with_their_numbers() -> None:
    control = tuple(replace(t, seconds=1.0) for t in arm("c", CONTROL))
    treated = tuple(
        replace(t, seconds=1.5, parameters=150, symptoms=("dead-units",)) for t in arm("r", TREATED)
    )
    found = verdict(arms(control, treated), "relu", ())
    assert found.side_effects == (
        "parameters 100 → 150 (+50.0%)",
        "time a step × 1.50",
        "new: dead-units",
    )
    assert verdict(arms(), "relu", ()).side_effects == ()
    lost = Trial("control", 0, 0, None, fault="lost")
    assert verdict(arms((lost, *control[1:]), treated), "relu", ()).side_effects == (
        found.side_effects
    )


def test_three_seeds_are_the_least() -> None:
    assert SEEDS == 3
