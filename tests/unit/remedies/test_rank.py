"""Order by mechanism, what is never offered, experiments first, values, decoys."""

from dataclasses import replace
from typing import Any

import pytest

from tests.cases.golden import HEALTHY, SICK
from tests.cases.records import (
    ADAM,
    CONST,
    RAW,
    TOO_FAST,
    TOO_SLOW,
    check,
    experiment,
    falling,
    layers,
    run,
    static,
)
from undertow.core.finding import Remedy
from undertow.core.plan import Choices, Edit, Plan, TrainChoices
from undertow.core.record import Record
from undertow.diagnosis.engine import diagnose
from undertow.remedies.rank import BY_NAME, NEVER, decoy, further, pair, rank

NAN = float("nan")
WEAK = check(grad_l2=falling(0.408), layers=layers(w2=1 / 3))  # torch's default, ReLU, 20 layers


def ranked(record: Record, plan: Plan | None = None) -> list[Remedy]:
    return list(rank(diagnose(record), record, plan))


def names(record: Record, plan: Plan | None = None) -> list[str]:
    return [r.name for r in ranked(record, plan)]


@pytest.mark.parametrize("case", SICK)
def test_nothing_that_never_helps_is_offered(case: str) -> None:
    word, record = SICK[case]
    offered = names(record)
    assert len(offered) <= 5
    assert not set(offered) & set(NEVER.get(word, ()))
    if word not in ("data",):
        assert offered


@pytest.mark.parametrize("case", HEALTHY)
def test_a_healthy_net_is_offered_nothing(case: str) -> None:
    assert names(HEALTHY[case]) == []


def test_vanishing_in_a_relu_net() -> None:
    assert names(WEAK) == ["batch-norm", "he-init", "tanh", "skip + batch-norm", "shallower"]


@pytest.mark.parametrize(("depth", "place"), [(12, 2), (13, None)])
def test_adam_comes_early_where_few_layers_lose_the_gradient(depth: int, place: int | None) -> None:
    weak = check(grad_l2=falling(0.3, depth), layers=layers(depth, w2=1 / 3), depth=depth)
    found = names(weak)
    assert (found.index("adam") if "adam" in found else None) == place
    assert "adam" not in names(replace(weak, optimizer=ADAM))


def test_adam_comes_behind_clipping_for_an_explosion() -> None:
    grown = check(grad_l2=tuple(reversed(falling(0.5))), first_loss=50.0)
    found = names(grown)
    assert found[found.index("clip-norm") + 1] == "adam"


@pytest.mark.parametrize(
    ("act", "first"), [("relu", "he-init"), ("tanh", "xavier-init"), ("sigmoid", "xavier-init")]
)
def test_equal_rows_are_drawn_anew_before_all_else(act: str, first: str) -> None:
    record = check(grad_l2=falling(0.408), layers=layers(act=act, w2=1 / 3))
    assert names(record)[0] == "batch-norm"
    assert names(replace(record, static=(static("symmetric-weights"),)))[0] == first


def test_vanishing_in_a_sigmoid_net_has_no_initialisation_alone() -> None:
    record = check(grad_l2=falling(0.3), layers=layers(act="sigmoid", w2=1.0))
    assert names(record)[:3] == ["batch-norm", "relu", "tanh"]
    assert not {"he-init", "xavier-init"} & set(names(record))


def test_vanishing_with_a_norm_already_there() -> None:
    record = check(grad_l2=falling(0.3), layers=layers(act="sigmoid", norm="batch"))
    assert names(record)[0] == "relu"
    assert "batch-norm" not in names(record)


@pytest.mark.parametrize(("act", "init"), [("relu", "he-init"), ("tanh", "xavier-init")])
def test_the_initialisation_fits_the_activation(act: str, init: str) -> None:
    record = check(grad_l2=falling(2.0), layers=layers(act=act, w2=9.0))
    assert names(record)[0] == init


def test_an_initialisation_in_force_is_not_offered() -> None:
    assert "he-init" not in names(check(grad_l2=falling(0.5), layers=layers(w2=2.0)))
    assert "he-init" in names(check(grad_l2=falling(0.5), layers=layers(w2=1.0)))
    plan = Plan("mlp", Choices(init="he-normal"))
    assert "he-init" not in names(WEAK, plan)


@pytest.mark.parametrize(
    ("case", "first"),
    [
        ("dead at birth", "batch-norm"),
        ("raw input", "standardise-input"),
        ("lr too high", "lower-lr"),
        ("lr too low", "raise-lr"),
        ("softmax twice", "fix-head"),
        ("detached loss", "fix-loss"),
    ],
)
def test_first_remedy_by_mechanism(case: str, first: str) -> None:
    assert names(SICK[case][1])[0] == first


def test_dead_by_biases_is_reset_first() -> None:
    assert names(check(dead=1.0, layers=layers(bias=-3.0)))[:2] == ["reset-bias", "batch-norm"]


def test_two_faults_at_once_need_the_change_that_answers_both() -> None:
    raw = check(dead=1.0, layers=layers(bias=-3.0), input=RAW)
    assert names(raw)[:2] == ["batch-norm", "reset-bias"]
    tiny = check(dead=1.0, layers=layers(bias=-3.0, w2=0.01))
    assert names(tiny)[:2] == ["batch-norm", "reset-bias"]


def test_torchs_own_initialisation_is_no_second_fault() -> None:
    usual = check(dead=1.0, layers=layers(bias=-3.0, w2=1 / 3))
    assert names(usual)[0] == "reset-bias"


def test_lr_low_is_offered_the_rate_and_adam_only() -> None:
    assert names(SICK["lr too low"][1]) == ["raise-lr", "adam"]
    adam = replace(SICK["lr too low"][1], optimizer=replace(ADAM, lr=1e-6))
    assert names(adam) == ["raise-lr"]


def test_clipping_only_while_the_forward_pass_is_finite() -> None:
    assert "clip-norm" in names(SICK["exploding gradients"][1])
    assert "clip-norm" not in names(SICK["not finite at birth"][1])
    assert "clip-norm" in names(run((CONST, 9.0, NAN)))


def test_rates_are_values() -> None:
    (lower, *_) = ranked(check(line=TOO_FAST))  # best at × 0.01, lr 0.1
    assert lower.change == (Edit("lr", 0.001),)
    (higher, *_) = ranked(check(line=TOO_SLOW, update_ratio=3e-4))  # best at × 100
    assert higher.change == (Edit("lr", 10.0),)
    (lower, *_) = ranked(check(one_batch=(CONST, 9.0), line=()))
    assert lower.change == (Edit("lr", 0.01),)


def test_the_rate_an_experiment_cleared_with_is_proposed_nearest_first() -> None:
    tried = tuple(
        experiment("learning-rate", "clears", ("lr", v), variant=f"× {v * 10:g}", deviates=True)
        for v in (1e-4, 1e-3)
    )
    (lower, *_) = ranked(check(line=TOO_FAST, experiments=tried))
    assert lower.change == (Edit("lr", 1e-3),)


def test_what_cleared_on_a_copy_comes_first_in_the_tables_order() -> None:
    tried = (
        experiment("normalisation", "clears", ("norm", "batch")),
        experiment("initialisation", "clears", ("init", "he-normal"), deviates=True),
        experiment("activation", "no change", ("act", "tanh")),
    )
    offered = names(replace(WEAK, experiments=tried))
    assert offered[:2] == ["batch-norm", "he-init"]
    assert "tanh" not in offered[:-1]


def test_a_batch_norm_that_helped_leads_a_new_activation_that_cleared_one_batch() -> None:
    tried = (
        experiment("normalisation", "helps", ("norm", "batch")),
        experiment("activation + initialisation", "clears", ("act", "relu"), ("init", "he-normal")),
    )
    sigmoid = replace(WEAK, layers=layers(act="sigmoid", w2=1.0), experiments=tried)
    assert names(sigmoid)[:2] == ["batch-norm", "relu"]


def test_a_higher_rate_does_not_lead_where_the_weights_are_off_their_rule() -> None:
    rate = experiment("learning-rate", "clears", ("lr", 1.0), variant="× 10", deviates=True)
    init = experiment("initialisation", "clears", ("init", "he-normal"), deviates=True)
    assert names(replace(WEAK, experiments=(rate,)))[0] == "raise-lr"
    assert names(replace(WEAK, experiments=(rate, init)))[0] == "he-init"


def test_what_was_tried_in_vain_comes_last() -> None:
    tried = (experiment("normalisation", "no change", ("norm", "batch")),)
    assert "batch-norm" not in names(replace(WEAK, experiments=tried))[:-1]


def test_a_remedy_outside_the_table_joins_when_it_cleared() -> None:
    tried = (experiment("initialisation", "clears", ("init", "orthogonal"), deviates=True),)
    (first, *_) = ranked(replace(WEAK, experiments=tried))
    assert first.name == "orthogonal-init"


def test_a_pair_that_cleared_is_one_remedy() -> None:
    tried = (
        experiment(
            "normalisation + learning-rate",
            "clears",
            ("norm", "batch"),
            ("lr", 0.01),
            variant="batch, × 0.1",
        ),
    )
    (first, *_) = ranked(replace(WEAK, experiments=tried))
    assert first.name == "batch-norm + lower-lr"
    assert first.change == (Edit("norm", "batch"), Edit("lr", 0.01))
    assert set(first.answers) >= {"normalisation", "learning-rate"}


def test_relu_with_its_initialisation_is_one_remedy_not_a_pair() -> None:
    tried = (
        experiment(
            "activation + initialisation",
            "clears",
            ("act", "relu"),
            ("init", "he-normal"),
            variant="relu, he-normal",
        ),
    )
    record = check(grad_l2=falling(0.3), layers=layers(act="sigmoid"), experiments=tried)
    assert names(record)[0] == "relu"


def test_never_offered_even_if_cleared_unless_it_deviates() -> None:
    generic = (experiment("learning-rate", "clears", ("lr", 0.01), variant="× 0.1"),)
    assert "lower-lr" not in names(replace(WEAK, experiments=generic))
    off = (replace(generic[0], deviates=True),)
    assert names(replace(WEAK, experiments=off))[0] == "lower-lr"


def test_without_a_mechanism_the_rate_moves_towards_the_line_probes_best() -> None:
    plain = check(line=check().line)
    assert "raise-lr" not in names(plain)
    assert "lower-lr" not in names(plain)


def test_limit() -> None:
    assert len(rank(diagnose(WEAK), WEAK, limit=2)) == 2


def test_pair_joins_edits_answers_and_costs() -> None:
    both = pair(BY_NAME["skip"], BY_NAME["batch-norm"])
    assert both.name == "skip + batch-norm"
    assert [e.field for e in both.change] == ["skip", "norm"]
    assert both.expected == ()


MEASURED_USELESS = {"vanishing": "clip-norm", "dead": "clip-norm"}


@pytest.mark.parametrize("word", [*MEASURED_USELESS, "lr-low"])
def test_the_decoy_never_helped_the_mechanism(word: str) -> None:
    false = decoy(word)
    (rate,) = [r for r in false.expected if r.mechanism == word]
    assert rate.worked == 0
    assert len(false.change) == 1


def test_the_decoy_changes_something_and_can_be_made() -> None:
    clipped = Plan("mlp", train=TrainChoices(clip_norm=1.0))
    assert decoy("vanishing", clipped).name == "leaky-relu"
    assert decoy("input-scale", Plan("mlp", Choices(skip="none"))).name == "skip"
    assert decoy("input-scale").name == "l2"  # a module without a plan takes no skip
    assert decoy("lr-high", Plan("mlp", Choices(init="he-normal"))).name == "xavier-init"
    assert decoy("healthy").name == "clip-norm"


def test_head_advice_follows_the_symptom() -> None:
    both = check(learns=True, static=(static("head-mismatch"), static("loss-mismatch")))
    assert names(both) == ["fix-head", "fix-loss"]


def test_behind_a_fixed_head_the_net_may_be_sick_as_well() -> None:
    record = check(learns=True, static=(static("head-mismatch"),))
    made = further(diagnose(record), record)
    assert next(r.name for r in made) == "fix-head + batch-norm"
    assert all(r.name.startswith("fix-head + ") for r in made), "no loss is at fault"
    assert all(e.field == "head" for r in made for e in r.change[:1])


def test_standardise_is_offered_where_features_are_raw() -> None:
    saturated: dict[str, Any] = {"saturated": 0.95, "layers": layers(act="tanh", w2=64.0)}
    assert "standardise-input" not in names(check(**saturated))
    sides: tuple[tuple[dict[str, float], bool], ...] = (
        ({"rms": 0.095}, True), ({"rms": 0.105}, False),
        ({"std_ratio": 105.0}, True), ({"std_ratio": 95.0}, False),
    )  # fmt: skip
    for given, offered in sides:
        plain: dict[str, Any] = {"rms": 1.0, "abs_max": 2.0, "std_ratio": 1.0, **given}
        record = check(input=replace(RAW, **plain), **saturated)
        assert ("standardise-input" in names(record)) is offered


def test_the_decoy_of_an_explosion_leaves_the_activation_alone() -> None:
    fields = [e.field for e in decoy("exploding").change]
    assert fields == ["l2"], "leaky ReLU in place of x³ or exp is the cure itself"


def test_exploding_branches_are_closed_and_clipped_first_of_the_pairs() -> None:
    record = SICK["exploding gradients"][1]
    found = further(diagnose(record), record)
    pairs = [r.name for r in found if " + " in r.name]
    assert pairs[0] == "zero-gamma + clip-norm"
    assert {e.field for r in found if r.name == pairs[0] for e in r.change} == {
        "zero_gamma",
        "clip_norm",
    }


def test_a_loss_that_overflows_unannounced_may_be_the_nets_as_well_as_its_batchs() -> None:
    record = run([CONST * (1 - 0.01 * i) for i in range(60)] + [NAN])
    found = diagnose(record)
    assert (found.mechanism, found.causes[0].name) == ("data", "batch")
    assert names(record)[0] == "lower-lr"
    assert further(found, record)


def test_a_long_plain_net_with_norms_is_offered_paths_past_its_layers() -> None:
    plan = Plan("mlp", Choices(norm="batch", skip="none"), (), train=TrainChoices())
    normed = {"layers": layers(36, norm="batch"), "depth": 36, "plan": plan}
    grown = check(grad_l2=falling(1.2, 36), **normed)
    assert diagnose(grown).mechanism == "exploding"
    assert names(grown, plan)[0] == "skip"
    residual = replace(plan, choices=replace(plan.choices, skip="zero-pad"))
    assert "skip" not in names(replace(grown, plan=residual), residual)
    bare = replace(grown, layers=layers(36))
    assert "skip" not in names(bare, plan)
