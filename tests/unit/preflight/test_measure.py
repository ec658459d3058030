"""A check leaves everything as it was, and its numbers are those of closed forms."""

import copy
import math
import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn, optim

import undertow as ut
from undertow.core.errors import UsageError
from undertow.core.record import Record
from undertow.preflight import Deadline, guarded, make_case, measure

torch.manual_seed(0)
X = torch.randn(24, 6)
Y = torch.arange(24) % 3


def plain() -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))


def normed() -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 3))


def dropped() -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.5), nn.Sigmoid(), nn.Linear(8, 3))


def frozen() -> nn.Sequential:
    net = normed()
    net[0].requires_grad_(False)
    net[1].eval()
    return net


def sick() -> nn.Sequential:
    net = plain()
    nn.init.constant_(net[0].bias, -50.0)  # type: ignore[arg-type]
    return net


def everything(net: nn.Module, optimizer: optim.Optimizer) -> dict[str, Any]:
    """All that a check might disturb, as values."""
    numpy: Any = np.random.get_state()  # noqa: NPY002 - the global state is what is protected
    return {
        "weights": {k: v.clone() for k, v in net.state_dict().items()},
        "grads": [None if p.grad is None else p.grad.clone() for p in net.parameters()],
        "flags": [(m.training, len(m._forward_hooks)) for m in net.modules()],
        "trainable": [p.requires_grad for p in net.parameters()],
        "optimizer": copy.deepcopy(optimizer.state_dict()),
        "random": (random.getstate(), numpy[1].tolist(), numpy[2], torch.get_rng_state()),
        "threads": torch.get_num_threads(),
        "grad mode": torch.is_grad_enabled(),
    }


def same(a: Any, b: Any) -> bool:
    """Equality that looks into containers and compares tensors bit for bit."""
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


@pytest.mark.parametrize(
    ("build", "kind", "training"),
    [
        (plain, optim.SGD, True),
        (normed, optim.Adam, True),
        (normed, optim.SGD, False),
        (dropped, optim.Adam, False),
        (dropped, optim.RMSprop, True),
        (frozen, optim.Adam, True),
        (sick, optim.Adam, False),
        (sick, optim.SGD, True),
    ],
)
def test_a_check_changes_nothing_of_the_users(
    build: Callable[[], nn.Sequential], kind: Any, training: bool
) -> None:
    net = build()
    modes = [m.training for m in net.modules()]
    optimizer = kind([p for p in net.parameters() if p.requires_grad], lr=0.01)
    nn.functional.cross_entropy(net(X), Y).backward()
    optimizer.step()  # state to lose
    if not training:
        net.eval()
    x, y = X.clone(), Y.clone()
    before = everything(net, optimizer)
    report = ut.check(net, (X, Y), optimizer=optimizer, clip_norm=1.0, probe_steps=6, budget_s=5)
    assert same(everything(net, optimizer), before)
    assert torch.equal(X, x)
    assert torch.equal(Y, y)
    assert len(report.record.layers) >= 2
    assert modes[0]


def test_a_failing_check_changes_nothing_either() -> None:
    net = plain()
    optimizer = optim.Adam(net.parameters())
    before = everything(net, optimizer)
    with pytest.raises(UsageError, match="fails in its forward"):
        ut.check(net, (X[:, :5], Y), optimizer=optimizer)
    assert same(everything(net, optimizer), before)


def test_a_comparison_that_sees_a_change() -> None:
    net = plain()
    optimizer = optim.Adam(net.parameters())
    before = everything(net, optimizer)
    torch.rand(1)
    assert not same(everything(net, optimizer), before)


def measured(net: nn.Module, data: Any, loss: Any = None, **given: Any) -> Record:
    case = make_case(net, data, loss, **given)
    with guarded(0):
        return measure(case, probe_steps=3, deadline=Deadline(60))


def test_losses_of_the_best_constant_answer_by_closed_form() -> None:
    labels = torch.tensor([0] * 12 + [1] * 8 + [2] * 4)
    entropy = -sum(p * math.log(p) for p in (1 / 2, 1 / 3, 1 / 6))
    assert measured(plain(), (X, labels)).const_loss == pytest.approx(entropy, rel=1e-5)
    target = torch.arange(24.0)[:, None]
    one = nn.Linear(6, 1)
    variance = (24**2 - 1) / 12
    assert measured(one, (X, target)).const_loss == pytest.approx(variance, rel=1e-5)
    assert measured(one, (X, target), "l1").const_loss == pytest.approx(6.0, rel=1e-5)
    binary = (torch.arange(24) % 4 == 0).float()
    expected = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert measured(one, (X, binary), "bce").const_loss == pytest.approx(expected, rel=1e-5)


def test_the_first_loss_of_a_silent_net_is_ln_c() -> None:
    net = plain()
    nn.init.zeros_(net[2].weight)  # type: ignore[arg-type]
    nn.init.zeros_(net[2].bias)  # type: ignore[arg-type]
    record = measured(net, (X, Y))
    assert record.first_loss == pytest.approx(math.log(3), rel=1e-5)
    assert record.one_batch[0] == record.first_loss


def test_start_statistics_are_those_of_autograd() -> None:
    net = plain()
    record = measured(net, (X, Y), optimizer=optim.SGD(net.parameters(), lr=0.5))
    nn.functional.cross_entropy(net(X), Y).backward()
    first: Any = net[0]
    snap = record.snapshots[0]
    roles = ("hidden", "head")
    wgrad = record.profile("wgrad_l2", snap, roles)["0"]
    assert wgrad == pytest.approx(float(first.weight.grad.norm()), rel=1e-4)
    ratio = record.profile("update_ratio", snap, roles)["0"]
    expected = 0.5 * first.weight.grad.norm() / first.weight.detach().norm()
    assert ratio == pytest.approx(float(expected), rel=1e-3)
    assert [y.path for y in record.layers] == ["0", "2"]
    assert record.layers[-1].role == "head"


def test_the_line_at_the_users_rate_is_the_users_step() -> None:
    net = plain()
    optimizer = optim.SGD(net.parameters(), lr=0.5, momentum=0.9)
    record = measured(net, (X, Y), optimizer=optimizer)
    nn.functional.cross_entropy(net(X), Y).backward()
    optimizer.step()
    after = nn.functional.cross_entropy(net(X), Y).item()
    (own,) = (p.loss for p in record.line if math.isclose(p.factor, 1.0))
    assert own == pytest.approx(after, rel=1e-4)
    assert record.one_batch[1] == pytest.approx(after, rel=1e-4)
    assert record.optimizer.lr == 0.5


def test_without_an_optimiser_the_lines_best_step_is_taken() -> None:
    record = measured(plain(), (X, Y))
    facts = dict(record.facts)
    best = min(record.line, key=lambda p: p.loss).factor
    assert float(facts["probe_lr"]) == pytest.approx(0.1 * best)
    assert record.optimizer.lr is None


def test_the_budget_names_what_it_cut() -> None:
    case = make_case(plain(), (X, Y))
    with guarded(0):
        record = measure(case, probe_steps=3, deadline=Deadline(0))
    assert (record.line, record.one_batch) == ((), ())
    assert record.notes == ("probe steps not tested (budget): 0 of 3 probe steps",)
    assert record.cut == "0 of 3 probe steps"


def test_probe_steps_cut_before_they_could_tell_are_no_proof_of_being_stuck() -> None:
    """A deadline that passes after three of fifty slow steps leaves no losses to judge."""

    class Third(Deadline):
        """Over from the third look at the clock in the probe steps on."""

        looks = 0

        @property
        def over(self) -> bool:
            """Whether the time is up."""
            self.looks += 1
            return self.looks > 12

    slow = partial(optim.SGD, lr=1e-6)
    case = make_case(plain(), (X, Y), optimizer=slow)
    with guarded(0):
        record = measure(case, probe_steps=50, deadline=Third(60))
    assert record.one_batch == ()
    assert record.cut.endswith("of 50 probe steps")
    assert not record.cut.startswith("0 ")


def test_what_was_not_decided_is_not_called_healthy() -> None:
    """No finding and no probe steps: the report says what is missing, and is not healthy."""
    report = ut.check(plain(), (X, Y), budget_s=1e-9)
    assert (report.healthy, report.symptoms) == (False, ())
    assert "undecided   the budget ended after 0 of 50 probe steps" in report.to_text()
    assert ut.check(plain(), (X, Y), probe_steps=0).healthy


def test_a_check_is_a_function_of_its_seed() -> None:
    net = dropped()
    one, two = (measured(net, (X, Y)) for _ in range(2))
    assert one == two


class Fails(nn.Linear):
    """Raises in forward."""

    def forward(self, x: Tensor) -> Tensor:
        """Nothing: it fails."""
        raise KeyError("lost")


@pytest.mark.parametrize(
    ("net", "data", "given", "said"),
    [
        (Fails(6, 3), (X, Y), {}, r"Fails fails in its forward on x \(24, 6\).*KeyError: 'lost'"),
        (plain(), (X[:, :5], Y), {}, "mat1 and mat2 shapes"),
        (plain(), (X, Y), {"loss": nn.CrossEntropyLoss(reduction="none")}, r"shape \(24,\), not a"),
        (plain(), (X, Y), {"loss": lambda out, y: 0.5}, "is float, not a scalar"),
        (plain(), (X, Y[:, None]), {}, "fails in its loss"),
        (plain(), (X, Y), {"step": lambda net, batch: 1 / 0}, "ZeroDivisionError"),
        (plain(), (X, Y), {"optimizer": optim.LBFGS}, "LBFGS takes several passes"),
        (plain(), (X, Y), {"optimizer": optim.Adam(plain().parameters())}, "cannot be made for"),
        (normed(), (X[:1], Y[:1]), {}, "Expected more than 1 value per channel"),
    ],
)
def test_what_cannot_be_run_is_told_in_words(
    net: nn.Module, data: Any, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        ut.check(net, data, **given)


@pytest.mark.parametrize(("y", "said"), [(Y + 1, "label 3 is outside"), (Y * 0, "one class")])
def test_bad_labels_are_a_finding(y: Tensor, said: str) -> None:
    report = ut.check(plain(), (X, y))
    assert [s.id for s in report.symptoms] == ["UT203"]
    assert said in report.symptoms[0].says
    assert (report.mechanism, report.healthy) == ("data", False)


def test_a_check_works_where_gradients_are_switched_off() -> None:
    net = plain()
    with torch.no_grad():
        report = ut.check(net, (X, Y), probe_steps=3, counterfactuals=False)
        assert not torch.is_grad_enabled()
    facts = tuple(f for f in report.record.facts if f[0] != "seconds")
    again = ut.check(net, (X, Y), probe_steps=3, counterfactuals=False).record
    assert replace(report.record, facts=facts) == replace(again, facts=facts)


def test_a_loss_that_is_not_finite_at_the_start_is_a_finding() -> None:
    net = plain()
    nn.init.constant_(net[2].weight, 3e38)  # type: ignore[arg-type]
    report = ut.check(net, (X.abs() + 1, Y), probe_steps=3, counterfactuals=False)
    assert "UT108" in [s.id for s in report.symptoms]


class Named(nn.Module):
    """Takes and gives mappings."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Linear(6, 8), nn.Linear(8, 3)

    def forward(self, inputs: Any) -> Any:
        """{"x": (N, 6)} -> {"logits": (N, 3)}."""
        return {"logits": self.b(torch.relu(self.a(inputs["x"])))}


@pytest.mark.parametrize("share", [1.0, 0.25])
def test_the_loss_inside_a_step_of_ones_own_is_known(share: float) -> None:
    x = torch.randn(32, 6, generator=torch.Generator().manual_seed(0))
    y = (x[:, 0] > 0).long() + (x[:, 1] > 1).long()

    def step(net: nn.Module, batch: Any) -> Tensor:
        loss: Tensor = nn.functional.cross_entropy(net(batch)["logits"], batch["y"])
        return share * loss

    case = make_case(Named(), [{"x": x, "y": y}], step=step)
    with guarded(0):
        record = measure(case, probe_steps=5, deadline=Deadline(60))
    p = y.bincount().double() / 32
    assert record.loss == "cross-entropy"
    assert record.const_loss == pytest.approx(share * float(-(p * p.log()).sum()), rel=1e-5)
    assert [y.path for y in record.layers] == ["a", "b"]


def test_a_loss_of_several_parts_in_a_step_is_not_known() -> None:
    def step(net: nn.Module, batch: Any) -> Tensor:
        out = net(batch)["logits"]
        return nn.functional.cross_entropy(out, batch["y"]) + 0.1 * out.square().mean()

    batch = {"x": torch.randn(8, 6), "y": torch.arange(8) % 3}
    with guarded(0):
        record = measure(make_case(Named(), [batch], step=step), deadline=Deadline(60))
    assert record.const_loss is None


def test_a_loss_that_does_not_come_from_the_net_is_told() -> None:
    def apart(net: nn.Module, batch: Any) -> Tensor:
        net(batch[0])
        return torch.ones((), requires_grad=True) * 2

    report = ut.check(nn.Linear(6, 3), (X, Y), step=apart, counterfactuals=False)
    (symptom,) = report.symptoms
    assert symptom.id == "UT202"
    assert "no gradient reaches any parameter" in symptom.says
