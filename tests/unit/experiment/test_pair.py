"""One trial: fair pairs of arms, losses against the constant answer, held-back data untouched."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn, optim

from undertow.core.plan import Choices, Edit, Plan, TrainChoices
from undertow.core.verdict import Trial
from undertow.data import load
from undertow.data.split import batches, hold_back
from undertow.experiment.pair import (
    Source,
    Task,
    build,
    make_optimizer,
    paired,
    run_task,
    seeded_alike,
    train,
)

DATA = load("synthetic:1x4x4:3").take(torch.arange(200))
TRAIN, HELD = hold_back(DATA, 0.2, 0)
PLAN = Plan(
    "mlp",
    Choices(act="relu", init="he-normal"),
    (("depth", 2), ("width", 12)),
    classes=3,
    in_channels=1,
    train=TrainChoices(lr=0.05, batch=32),
)
SOURCE = Source(PLAN, PLAN.train)


def task(source: Source = SOURCE, edits: tuple[Edit, ...] = (), **given: Any) -> Task:
    made = Task("control", 0, source.edit(edits), edits, TRAIN, HELD, 40)
    return replace(made, **given)


def code(seed: int) -> nn.Module:
    """A user's own net, drawn from the global state."""
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.Sigmoid(), nn.Linear(8, 3))


def seedless() -> nn.Module:
    """The same without an argument."""
    return code(0)


def same(a: nn.Module, b: nn.Module) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


def test_losses_are_over_the_constant_answers_on_the_last_tenth() -> None:
    done = train(task())
    trial = done.trial
    assert (trial.arm, trial.seed, trial.steps) == ("control", 0, 40)
    assert trial.train is not None
    assert trial.train < 0.5
    assert trial.train == pytest.approx(sum(trial.curve[-4:]) / 4, rel=1e-4)
    assert trial.held_back is not None
    assert trial.held_back < 0.9
    assert trial.accuracy is not None
    assert trial.accuracy > 0.7
    assert trial.parameters == 16 * 12 + 12 + 12 * 12 + 12 + 12 * 3 + 3
    assert (trial.first_bad_step, trial.symptoms, trial.fault) == (None, (), "")
    assert next(done.net.parameters()).requires_grad
    assert done.optimizer.state


def test_a_trial_repeats_bit_for_bit_and_leaves_the_random_state() -> None:
    before = torch.get_rng_state()
    one, two = train(task()), train(task())
    assert torch.equal(before, torch.get_rng_state())
    assert same(one.net, two.net)
    assert replace(one.trial, seconds=0.0) == replace(two.trial, seconds=0.0)
    assert not same(one.net, train(task(seed=1)).net)


def test_arms_of_a_seed_start_alike_where_shapes_agree() -> None:
    control = build(SOURCE, (), DATA, 3)
    treated = build(SOURCE.edit([Edit("act", "tanh")]), (), DATA, 3)
    assert same(control, treated)
    assert not same(control, build(SOURCE, (), DATA, 4))


def test_arms_see_the_same_batches_whatever_they_draw_themselves() -> None:
    seen: list[list[int]] = []

    def spied(out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        if out.requires_grad:
            seen.append(y.tolist())
        return nn.functional.cross_entropy(out, y)

    source = replace(SOURCE, loss=spied)
    train(task(source))
    train(task(source, (Edit("dropout", 0.5),), arm="treated"))
    order = [y.tolist() for _, y in batches(TRAIN, 32, 0, 40)]
    found = [s for s in seen if len(s) == 32]
    assert found[:40] == order
    assert found[-40:] == order


def test_a_loss_that_is_not_finite_is_where_and_counts_as_infinite() -> None:
    hot = SOURCE.edit([Edit("lr", 1e12)])
    trial = run_task(task(hot))
    assert trial.first_bad_step is not None
    assert trial.train == trial.held_back == math.inf
    assert trial.accuracy is None


def test_without_held_back_data_there_is_no_held_back_loss() -> None:
    assert run_task(task(held=None)).held_back is None


def test_held_back_data_are_scaled_by_the_training_part() -> None:
    far = replace(HELD, x=HELD.x + 1e3)
    assert (run_task(task(held=far)).held_back or 0.0) > 1.0
    raw = SOURCE.edit([Edit("standardise", False)])
    assert run_task(task(raw)).held_back != run_task(task()).held_back


@pytest.mark.parametrize("function", [code, seedless])
def test_code_is_seeded_before_each_call(function: Any) -> None:
    source = Source(None, TrainChoices(lr=0.1), function)
    one, two = (build(source, (), DATA, s) for s in (0, 0))
    assert same(one, two)
    assert not same(one, build(source, (), DATA, 1))
    assert not seeded_alike(source, DATA, (0, 1, 2))


def test_a_build_that_seeds_itself_is_told() -> None:
    def fixed() -> nn.Module:
        torch.manual_seed(7)
        return code(0)

    source = Source(None, TrainChoices(), fixed)
    assert seeded_alike(source, DATA, (0, 1))
    assert not seeded_alike(source, DATA, (0,))


def test_the_edits_of_code_are_made_after_building() -> None:
    source = Source(None, TrainChoices(lr=0.1), code)
    edits = (Edit("act", "relu"), Edit("lr", 0.5))
    net: Any = build(source.edit(edits), edits, DATA, 0)
    assert isinstance(net[2], nn.ReLU)
    assert source.edit(edits).choices == TrainChoices(lr=0.5)
    assert source.plan is None


def test_optimisers_take_the_edits_and_keep_the_rest() -> None:
    own = Source(None, TrainChoices(lr=0.1), code, lambda p: optim.SGD(p, lr=0.1, momentum=0.7))
    edits = (Edit("lr", 0.25), Edit("l2", 0.5))
    group = make_optimizer(own.edit(edits), edits, code(0)).param_groups[0]
    assert (group["lr"], group["weight_decay"], group["momentum"]) == (0.25, 0.5, 0.7)
    plain = make_optimizer(own, (), code(0)).param_groups[0]
    assert (plain["lr"], plain["weight_decay"]) == (0.1, 0)
    adam = (Edit("optimizer", "adam"), Edit("lr", 1e-3))
    assert type(make_optimizer(own.edit(adam), adam, code(0))) is optim.Adam


def breaks(seed: int) -> nn.Module:
    """No net."""
    raise OSError("no such weights")


def test_a_trial_that_cannot_run_says_why() -> None:
    source = Source(None, TrainChoices(lr=0.1), breaks)
    told: list[Trial] = []
    (trial,) = paired([task(source)], done=told.append)
    assert trial.fault == "OSError: no such weights"
    assert (trial.train, trial.steps) == (None, 0)
    assert told == [trial]


def test_a_long_curve_is_thinned_to_means() -> None:
    trial = run_task(task(steps=130))
    assert 40 <= len(trial.curve) <= 60
    assert trial.curve[0] > trial.curve[-1]
