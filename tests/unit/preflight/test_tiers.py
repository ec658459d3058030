"""Line probe, curvature and probe steps against closed forms; copies are put back bit for bit."""

import math
from functools import partial

import pytest
import torch
from torch import Tensor, nn, optim

from undertow.nn.optimizer import Factory
from undertow.preflight import tiers
from undertow.preflight.case import Case, Deadline, make_case

LONG = Deadline(math.inf)  # a slow machine is none of these tests
DIAGONAL = torch.tensor([0.5, 1.0, 2.0, 8.0])
Pair = tuple[Tensor, Tensor]


class Quadratic(nn.Module):
    """½ wᵀ A w, whatever the input."""

    def __init__(self, matrix: Tensor, at: Tensor) -> None:
        super().__init__()
        self.w = nn.Parameter(at)
        self.register_buffer("matrix", matrix)

    def forward(self, _: Tensor) -> Tensor:
        """The parabola at w."""
        return 0.5 * self.w @ self.get_buffer("matrix") @ self.w


def quadratic(matrix: Tensor, at: Tensor | None = None, make: Factory | None = None) -> Case:
    start = torch.ones(len(matrix)) if at is None else at
    return make_case(
        Quadratic(matrix, start),
        (torch.zeros(1), torch.zeros(1)),
        step=lambda net, batch: net(batch[0]),
        optimizer=make,
    )


def classifier(make: Factory) -> Case:
    g = torch.Generator().manual_seed(0)
    x = torch.randn(24, 5, generator=g)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(5, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2))
    return make_case(net, (x, (x[:, 0] > 0).long()), optimizer=make)


@pytest.mark.parametrize(
    "make",
    [
        lambda params: optim.SGD(params, lr=0.1, momentum=0.9, weight_decay=0.01),
        lambda params: optim.Adam(params, lr=0.01),
    ],
)
def test_the_line_probe_puts_weights_and_gradients_back_bit_for_bit(make: Factory) -> None:
    case = classifier(make)
    net = case.fresh()
    case.run(net).backward()
    weights = [p.detach().clone() for p in net.parameters()]
    grads = tiers.gradients(net)
    points = tiers.line(case, net, make, LONG)
    assert [p.factor for p in points] == pytest.approx([10.0**k for k in range(-3, 4)])
    for p, w, g in zip(net.parameters(), weights, grads, strict=True):
        assert torch.equal(p, w)
        assert p.grad is not None
        assert g is not None
        assert torch.equal(p.grad, g)


def test_the_line_of_a_parabola_is_a_parabola() -> None:
    make = partial(optim.SGD, lr=0.01)
    case = quadratic(torch.diag(DIAGONAL), make=make)
    net = case.fresh()
    case.run(net).backward()
    for point in tiers.line(case, net, make, LONG):
        left = (1 - 0.01 * point.factor * DIAGONAL).square()
        assert point.loss == pytest.approx(float((0.5 * DIAGONAL * left).sum()), rel=1e-5)


def test_the_line_stops_where_the_time_is_over() -> None:
    case = quadratic(torch.diag(DIAGONAL))
    net = case.fresh()
    case.run(net).backward()
    assert tiers.line(case, net, tiers.base_optimizer(), Deadline(0)) == ()


def test_curvature_is_the_largest_eigenvalue_of_a_quadratic() -> None:
    g = torch.Generator().manual_seed(1)
    basis, _ = torch.linalg.qr(torch.randn(6, 6, generator=g))
    matrix = basis @ torch.diag(torch.tensor([9.0, 1.0, 0.5, 0.2, 0.1, 0.0])) @ basis.T
    case = quadratic((matrix + matrix.T) / 2)
    assert tiers.curvature(case, case.fresh()) == pytest.approx(9.0, rel=1e-3)


def test_curvature_of_least_squares_is_that_of_its_inputs() -> None:
    g = torch.Generator().manual_seed(2)
    x = torch.randn(50, 3, generator=g) * torch.tensor([4.0, 1.0, 0.5])
    case = make_case(nn.Linear(3, 1, bias=False), (x, torch.zeros(50, 1)), "mse")
    hessian = 2 * x.T.double() @ x.double() / 50
    largest = float(torch.linalg.eigvalsh(hessian)[-1])
    assert tiers.curvature(case, case.fresh()) == pytest.approx(largest, rel=1e-3)


def test_no_curvature_where_there_is_no_second_derivative() -> None:
    class Once(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, w: Tensor) -> Tensor:
            return w.sum()

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx: object, g: Tensor) -> Tensor:
            return g.expand(2)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.ones(2))

        def forward(self, _: Tensor) -> Tensor:
            out: Tensor = Once.apply(self.w)  # type: ignore[no-untyped-call]
            return out

    data = (torch.zeros(1), torch.zeros(1))
    case = make_case(Net(), data, step=lambda net, batch: net(batch[0]))
    assert tiers.curvature(case, case.fresh()) is None
    flat = quadratic(torch.zeros(2, 2))
    assert tiers.curvature(flat, flat.fresh()) == 0
    broken = quadratic(torch.full((2, 2), math.nan))
    assert tiers.curvature(broken, broken.fresh()) is None


def test_probe_steps_of_a_parabola_shrink_by_its_factor() -> None:
    make = partial(optim.SGD, lr=0.1)
    case = quadratic(torch.eye(1), make=make)
    losses = tiers.one_batch(case, case.fresh(), make, 1e-9, steps=5, deadline=LONG)
    assert losses == pytest.approx([0.5 * 0.81**k for k in range(6)])


def test_probe_steps_stop_once_the_mark_is_held_three_times() -> None:
    make = partial(optim.SGD, lr=0.1)
    case = quadratic(torch.eye(1), make=make)
    losses = tiers.one_batch(case, case.fresh(), make, 0.4, steps=50, deadline=LONG)
    assert len([v for v in losses if v < 0.36]) == 3
    assert losses[-3:] == pytest.approx([0.5 * 0.81**k for k in (2, 3, 4)])


def test_without_a_mark_the_first_loss_is_the_measure() -> None:
    make = partial(optim.SGD, lr=0.1)
    case = quadratic(torch.eye(1), make=make)
    losses = tiers.one_batch(case, case.fresh(), make, None, steps=50, deadline=LONG)
    assert losses == pytest.approx([0.5 * 0.81**k for k in range(4)])


def test_probe_steps_stop_at_the_first_loss_that_is_not_finite() -> None:
    make = partial(optim.SGD, lr=1e18)
    case = quadratic(torch.eye(1), make=make)
    losses = tiers.one_batch(case, case.fresh(), make, 0.4, steps=50, deadline=LONG)
    assert not math.isfinite(losses[-1])
    assert all(math.isfinite(v) for v in losses[:-1])
    assert len(losses) < 6


def test_probe_steps_give_up_at_the_futile_step() -> None:
    make = partial(optim.SGD, lr=0.0)
    case = quadratic(torch.eye(1), make=make)
    kept = tiers.one_batch(case, case.fresh(), make, 0.5, steps=20, deadline=LONG, futile=7)
    assert kept == (0.5,) * 8
    on_its_way = partial(optim.SGD, lr=0.01)
    case = quadratic(torch.eye(1), make=on_its_way)
    losses = tiers.one_batch(case, case.fresh(), on_its_way, 0.5, steps=20, deadline=LONG, futile=7)
    assert len(losses) > 8


def test_probe_steps_clip_as_the_user_does() -> None:
    make = partial(optim.SGD, lr=0.1)
    free = quadratic(torch.eye(1), torch.tensor([100.0]), make)
    case = Case(**{**vars(free), "clip_norm": 1.0})
    losses = tiers.one_batch(case, case.fresh(), make, 1.0, steps=1, deadline=LONG)
    assert losses == pytest.approx([5000, 0.5 * 99.9**2], rel=1e-5)


def test_clipping_scales_only_what_is_too_long() -> None:
    net = nn.Linear(2, 1, bias=False)
    for limit, norm in ((None, 5.0), (2.0, 2.0), (9.0, 5.0)):
        net.weight.grad = torch.tensor([[3.0, 4.0]])
        tiers.clip(net, limit)
        assert float(net.weight.grad.norm()) == pytest.approx(norm, rel=1e-5)
