"""The loop against hand calculation: clip, penalty, rates, evaluation, norms averaged again."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn, optim

from undertow.core.plan import TrainChoices
from undertow.core.record import Scalars
from undertow.data.arrays import Arrays
from undertow.data.feed import Group, Micro
from undertow.nn.loss import criterion
from undertow.train.evaluation import CHUNK
from undertow.train.loop import (
    How,
    Penalties,
    evaluate,
    penalties,
    rate_factor,
    re_estimate,
    steps,
    walk,
)

X = torch.tensor([[3.0, 4.0]])
NONE = torch.zeros(1)


def total(out: Tensor, _: Tensor) -> Tensor:
    """The sum of the outputs: of w·x the gradient in w is x itself."""
    return out.sum()


def linear(*weights: float) -> nn.Linear:
    net = nn.Linear(len(weights), 1, bias=False)
    with torch.no_grad():
        net.weight.copy_(torch.tensor([weights]))
    return net


def one_step(net: nn.Module, extra: Penalties, x: Tensor = X, lr: float = 0.5) -> Scalars:
    optimizer = optim.SGD(net.parameters(), lr=lr)
    ((scalars, _, _),) = steps(net, optimizer, [(x, NONE)], total, extra)
    return scalars


@pytest.mark.parametrize(("clip", "moved"), [(None, 2.5), (1.0, 0.5), (4.0, 2.0), (50.0, 2.5)])
def test_weights_move_by_rate_times_the_clipped_gradient(clip: float | None, moved: float) -> None:
    net = linear(1.0, 2.0)
    scalars = one_step(net, Penalties(clip_norm=clip))
    step = torch.tensor([[1.0, 2.0]]) - net.weight.detach()
    assert float(step.norm()) == pytest.approx(moved, rel=1e-5)
    assert torch.allclose(step / step.norm(), X / 5)
    assert scalars.grad_norm == pytest.approx(5.0)
    assert (scalars.step, scalars.loss, scalars.lr) == (0, 11.0, 0.5)


@pytest.mark.parametrize(("share", "right"), [(0.9, 0.75), (0.1, 0.25)])
@pytest.mark.parametrize("parts", [1, 2])
def test_the_share_right_of_mixed_inputs_is_told_under_its_own_name(
    share: float, right: float, parts: int
) -> None:
    """The net answers 1 for all; the label of the larger share is 1 for 3 or for 1 of 4."""
    net = nn.Linear(2, 2)
    with torch.no_grad():
        net.weight.zero_()
        net.bias.copy_(torch.tensor([0.0, 1.0]))
    y, other = torch.tensor([1, 1, 1, 0]), torch.tensor([0, 0, 1, 0])
    n = len(y) // parts
    micro = tuple(
        Micro(torch.zeros(n, 2), a, b, share)
        for a, b in zip(y.split(n), other.split(n), strict=True)
    )
    optimizer = optim.SGD(net.parameters(), lr=0.0)
    loss, _ = criterion("cross-entropy", y)
    (done,) = walk(net, optimizer, [Group(micro, y)], How(loss))
    assert (done.scalars.accuracy, done.scalars.mixed_accuracy) == (None, right)
    plain = Group(tuple(m._replace(other=None) for m in micro), y)
    (done,) = walk(net, optimizer, [plain], How(loss))
    assert (done.scalars.accuracy, done.scalars.mixed_accuracy) == (0.75, None)


def test_values_are_clipped_one_by_one_after_the_norm_was_taken() -> None:
    net = linear(0.0, 0.0)
    scalars = one_step(net, Penalties(clip_value=3.5))
    assert net.weight.tolist() == [[-1.5, -1.75]]
    assert scalars.grad_norm == pytest.approx(5.0)


def test_l1_adds_the_sign_to_the_gradient() -> None:
    net = linear(1.0, -2.0)
    scalars = one_step(net, Penalties(l1=0.1))
    assert net.weight.tolist()[0] == pytest.approx([1 - 0.5 * 3.1, -2 - 0.5 * 3.9])
    assert scalars.grad_norm == pytest.approx(math.hypot(3.1, 3.9))


def test_a_norm_beyond_float_is_told_and_changes_nothing_by_itself() -> None:
    net = linear(0.0, 0.0)
    scalars = one_step(net, Penalties(), torch.full((1, 2), 3e38), lr=1e-38)
    assert scalars.grad_norm == math.inf
    assert net.weight.tolist()[0] == pytest.approx([-3.0, -3.0])


def test_frozen_and_unused_parameters_stay() -> None:
    net: Any = nn.Sequential(linear(1.0, 2.0), linear(3.0))
    net[0].requires_grad_(False)
    one_step(net, Penalties(l1=0.1, clip_norm=1.0))
    assert net[0].weight.tolist() == [[1.0, 2.0]]
    assert net[1].weight.item() == pytest.approx(3 - 0.5)


def test_the_loop_ends_at_a_loss_that_is_not_finite_without_its_step() -> None:
    net = linear(1.0, 2.0)
    optimizer = optim.SGD(net.parameters(), lr=0.0)
    data = [(X, NONE), (X * math.inf, NONE), (X, NONE)]
    seen = [s for s, _, _ in steps(net, optimizer, data, total, Penalties(), start=4)]
    assert [s.step for s in seen] == [4, 5]
    assert seen[1].loss == math.inf
    assert seen[1].grad_norm is None
    assert net.weight.tolist() == [[1.0, 2.0]]


def test_the_rate_of_every_group_follows_the_factor() -> None:
    net: Any = nn.Sequential(linear(1.0, 2.0), linear(3.0))
    groups: list[dict[str, Any]] = [
        {"params": net[0].parameters()},
        {"params": net[1].parameters(), "lr": 2.0},
    ]
    optimizer = optim.SGD(groups, lr=1.0)
    walk = steps(net, optimizer, [(X, NONE)] * 3, total, Penalties(), lambda step: 10.0**-step)
    rates = [(s.lr, optimizer.param_groups[1]["lr"]) for s, _, _ in walk]
    assert rates == [(1.0, 2.0), (0.1, 0.2), (0.01, 0.02)]


@pytest.mark.parametrize(
    ("schedule", "warm_up", "expected"),
    [
        ("constant", 0, [1, 1, 1, 1, 1]),
        ("constant", 4, [0.25, 0.5, 0.75, 1, 1]),
        ("cosine", 0, [1, 0.5 + 0.5 * math.cos(math.pi / 8), 0.5 + 0.5 * math.sqrt(0.5)]),
        ("cosine", 4, [0.25, 0.5, 0.75, 1, 1, 0.5 + math.sqrt(0.125), 0.5]),
    ],
)
def test_rates_by_closed_form(schedule: str, warm_up: int, expected: list[float]) -> None:
    choices = TrainChoices(schedule=schedule, warm_up=warm_up)
    found = [rate_factor(choices, step, 8) for step in range(len(expected))]
    assert found == pytest.approx(expected)


def test_cosine_ends_at_0_and_stays_there() -> None:
    choices = TrainChoices(schedule="cosine")
    assert rate_factor(choices, 8, 8) == pytest.approx(0)
    assert rate_factor(choices, 99, 8) == pytest.approx(0)


def test_penalties_are_those_of_the_choices() -> None:
    choices = TrainChoices(l1=0.1, l2=0.2, clip_norm=3.0, clip_value=4.0)
    assert penalties(choices) == Penalties(0.1, 3.0, 4.0)


@pytest.mark.parametrize("n", [1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 6])
def test_evaluation_counts_every_sample_once(n: int) -> None:
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(n, 4, generator=g), torch.randint(3, (n,), generator=g)
    net = nn.Linear(4, 3)
    data = Arrays("n", x, y, 3, False)
    found = evaluate(net, data, nn.functional.cross_entropy, 9)
    out = net(x).detach().double()
    loss = nn.functional.cross_entropy(out, y).item()
    assert found.loss == pytest.approx(loss, rel=1e-5)
    assert found.accuracy == pytest.approx((out.argmax(1) == y).double().mean().item())
    assert (found.step, found.samples) == (9, n)


def test_evaluation_is_in_eval_mode_and_puts_every_mode_back() -> None:
    net: Any = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout(0.5), nn.Linear(2, 2))
    net[0].eval()  # frozen statistics, as in transfer
    data = Arrays("n", torch.ones(5, 2), torch.zeros(5, dtype=torch.long), 2, False)
    one = evaluate(net, data, nn.functional.cross_entropy)
    assert one == evaluate(net, data, nn.functional.cross_entropy)
    assert [m.training for m in net.modules()] == [True, False, True, True]
    assert net[0].num_batches_tracked == 0


def test_the_share_right_of_one_unit_and_of_targets() -> None:
    y = torch.tensor([0, 1, 1, 0])
    net = linear(1.0)
    x = torch.tensor([[-1.0], [2.0], [-3.0], [4.0]])
    call, _ = criterion("bce", y)
    assert evaluate(net, Arrays("n", x, y, 2, False), call).accuracy == 0.5
    floats = Arrays("n", x, x * 2, 0, False)
    assert evaluate(net, floats, nn.functional.mse_loss).accuracy is None


def test_re_estimated_statistics_are_those_of_the_data() -> None:
    g = torch.Generator().manual_seed(0)
    x = 5 + 3 * torch.randn(40, 2, 4, 4, generator=g)
    net: Any = nn.Sequential(nn.BatchNorm2d(2, momentum=0.3), nn.Dropout(0.5))
    net[0].running_mean.fill_(99.0)
    net.eval()
    parts = [(part, NONE) for part in x.split(10)]
    re_estimate(net, parts)
    flat = [part.double().transpose(0, 1).flatten(1) for part, _ in parts]
    mean = torch.stack([f.mean(1) for f in flat]).mean(0)
    var = torch.stack([f.var(1) for f in flat]).mean(0)
    assert torch.allclose(net[0].running_mean.double(), mean, rtol=1e-5)
    assert torch.allclose(mean, x.double().transpose(0, 1).flatten(1).mean(1))
    assert torch.allclose(net[0].running_var.double(), var, rtol=1e-5)
    assert net[0].momentum == 0.3
    assert not net.training


def test_a_net_without_batch_norm_is_not_run_to_re_estimate() -> None:
    class Refuses(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise AssertionError("was run")

    re_estimate(Refuses(), [(X, NONE)])
