"""Each variant changes one factor of a case, and the case it was given never."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import nn, optim

from undertow.core.plan import Choices, Edit, Plan, TrainChoices
from undertow.core.record import InputFacts, Layer, LinePoint, OptimizerFacts, Record
from undertow.experiment.variants import Variant, pairs, singles
from undertow.instrument.probe import rows_of
from undertow.models import build_plan
from undertow.preflight.case import Case, make_case

g = torch.Generator().manual_seed(0)
X = 5 + 3 * torch.randn(16, 1, 8, 8, generator=g)
Y = torch.arange(16) % 10
PLAN = Plan(
    "conv", Choices(act="sigmoid", init="xavier-uniform"), (("depth", 5), ("width", 4)), classes=10
)


def record(**given: Any) -> Record:
    facts: dict[str, Any] = {
        "layers": (Layer("layers.0.conv", "Conv2d", 0, "sigmoid", bias_mean=-3.0, units=4),),
        "optimizer": OptimizerFacts("sgd", 0.5),
        "input": InputFacts((16, 1, 8, 8), rms=5.0),
        "plan": PLAN,
        "line": (LinePoint(1.0, 2.0), LinePoint(0.2, 1.0)),
    }
    return Record(kind="check", **{**facts, **given})


def case(plan: Plan | None = PLAN) -> Case:
    net = build_plan(PLAN, (1, 8, 8))
    made = make_case(net, (X, Y), optimizer=partial(optim.SGD, lr=0.5))
    return Case(**{**vars(made), "plan": plan})


def named(found: tuple[Variant, ...], factor: str) -> dict[str, Variant]:
    return {v.name: v for v in found if v.factor == factor}


def changed(factor: str, name: str, of: Record | None = None, plan: Plan | None = PLAN) -> Case:
    """What a variant makes of the case, which must be as it was afterwards."""
    own = case(plan)
    before = {k: v.clone() for k, v in own.net.state_dict().items()}
    rows = rows_of(own.net, X)
    held = named(singles(of or record()), factor) | named(pairs(of or record()), factor)
    new = held[name].change(own, rows)
    assert all(torch.equal(before[k], v) for k, v in own.net.state_dict().items())
    assert own.batch[0] is X
    return new


def rate(of: Case) -> float:
    assert of.optimizer is not None
    return float(of.optimizer(of.net.parameters()).param_groups[0]["lr"])


@pytest.mark.parametrize(("name", "lr"), [("× 0.1", 0.05), ("× 100", 50.0), ("× 0.2", 0.1)])
def test_rates_are_multiples_and_the_line_adds_its_best(name: str, lr: float) -> None:
    new = changed("learning-rate", name)
    assert rate(new) == pytest.approx(lr)
    assert named(singles(record()), "learning-rate")[name].edits == (
        Edit("lr", pytest.approx(lr)),  # type: ignore[arg-type]
    )


def test_adam_and_clipping_are_of_the_rate() -> None:
    new = changed("learning-rate", "adam")
    assert new.optimizer is not None
    made = new.optimizer(new.net.parameters())
    assert type(made) is optim.Adam
    assert made.param_groups[0]["lr"] == 1e-3
    assert changed("learning-rate", "clip-norm 1").clip_norm == 1.0


def test_a_standardised_batch_has_mean_0_and_deviation_1() -> None:
    new = changed("input-scale", "standardised")
    x = new.batch[0].double()
    assert x.mean().item() == pytest.approx(0, abs=1e-6)
    assert x.std(correction=0).item() == pytest.approx(1, abs=1e-6)
    assert torch.equal(new.batch[1], Y)


@pytest.mark.parametrize("plan", [PLAN, None])
def test_activations_norms_and_biases_by_plan_and_by_hand(plan: Plan | None) -> None:
    relu = changed("activation", "relu", plan=plan).net
    assert not [m for m in relu.modules() if isinstance(m, nn.Sigmoid)]
    norms = changed("normalisation", "batch", plan=plan).net
    assert sum(isinstance(m, nn.BatchNorm2d) for m in norms.modules()) == 5
    still = changed("bias", "0", plan=plan).net
    assert not any(bool(p.any()) for n, p in still.named_parameters() if n.endswith("bias"))


def test_an_initialisation_keeps_the_net_and_draws_by_its_rule() -> None:
    new = changed("initialisation", "he-normal")
    weight = new.net.get_parameter("layers.3.conv.weight").detach()
    assert float(weight.std()) == pytest.approx((2 / 36) ** 0.5, rel=0.2)
    assert new.plan is not None
    assert new.plan.choices == Choices(act="sigmoid", init="he-normal")


def test_depth_is_varied_by_the_plan_alone() -> None:
    assert len(list(changed("depth", "3 layers").net.get_submodule("layers").children())) == 3
    assert list(named(singles(record(plan=None)), "depth")) == ["skip"]


def test_the_decoy_is_another_draw_of_the_same() -> None:
    new = changed("decoy", "same init, drawn again")
    a, b = (n.get_parameter("head.weight").detach() for n in (new.net, case().net))
    assert not torch.equal(a, b)
    assert float(a.std()) == pytest.approx(float(b.std()), rel=0.3)
    foreign = changed("decoy", "same init, drawn again", plan=None).net
    c = foreign.get_parameter("head.weight").detach()
    assert not torch.equal(c, b)
    assert torch.equal(c.flatten().sort().values, b.flatten().sort().values)  # its own entries


def test_a_pair_changes_both() -> None:
    new = changed("input-scale + initialisation", "standardised, he-normal")
    assert abs(float(new.batch[0].mean())) < 1e-5
    assert new.plan is not None
    assert new.plan.choices.init == "he-normal"
    fast = changed("normalisation + learning-rate", "batch, × 10")
    assert rate(fast) == pytest.approx(5.0)
    assert [m for m in fast.net.modules() if isinstance(m, nn.BatchNorm2d)]


def test_what_is_not_there_is_not_varied() -> None:
    found = singles(record(optimizer=OptimizerFacts(), input=InputFacts()))
    assert named(found, "input-scale") == {}
    assert set(named(found, "learning-rate")) == {"adam", "clip-norm 1"}
    normed = record(layers=(Layer("a", "Conv2d", 0, "relu", norm="batch"),))
    assert named(singles(normed), "normalisation") == {}
    assert named(singles(normed), "bias") == {}
    assert set(named(singles(record(input=InputFacts((2, 3), rms=1.0))), "normalisation")) == {
        "group"
    }


def test_training_choices_of_the_plan_are_kept() -> None:
    plan = Plan("conv", PLAN.choices, PLAN.sizes, classes=10, train=TrainChoices(lr=0.5, l2=0.1))
    new = changed("activation", "relu", plan=plan)
    assert new.plan is not None
    assert new.plan.train == plan.train
