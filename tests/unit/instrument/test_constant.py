"""The best constant answer's loss against closed forms and brute force."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from undertow.instrument.constant import class_entropy, const_loss
from undertow.nn.loss import CRITERIA

LABELS = torch.tensor([0] * 50 + [1] * 30 + [2] * 20)
LOGITS = torch.zeros(7, 3)
PRIOR = (0.5, 0.3, 0.2)


def entropy(p: tuple[float, ...]) -> float:
    return -sum(q * math.log(q) for q in p if q > 0)


def numbers(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).exp()


class Unknown:
    """A criterion we know nothing of: the generic path."""

    def __init__(self, loss: Callable[..., Tensor]) -> None:
        self.loss = loss

    def __call__(self, outputs: Any, targets: Any) -> Tensor:
        """The loss it hides."""
        return self.loss(outputs, targets)


@pytest.mark.parametrize(
    "loss_fn", [nn.CrossEntropyLoss(), F.cross_entropy, Unknown(F.cross_entropy)]
)
def test_cross_entropy_is_the_entropy_of_the_prior(loss_fn: Any) -> None:
    found = const_loss(loss_fn, LOGITS, LABELS)
    assert found == pytest.approx(entropy(PRIOR), abs=1e-6)
    assert class_entropy(LABELS) == pytest.approx(entropy(PRIOR), abs=1e-12)


def test_cross_entropy_with_weights_smoothing_and_ignored_labels() -> None:
    weight = torch.tensor([1.0, 2.0, 5.0])
    weighted = (0.5 / 2.1, 0.6 / 2.1, 1.0 / 2.1)
    found = const_loss(nn.CrossEntropyLoss(weight=weight), LOGITS, LABELS)
    assert found == pytest.approx(entropy(weighted), abs=1e-6)
    soft = tuple(0.9 * p + 0.1 / 3 for p in PRIOR)
    found = const_loss(nn.CrossEntropyLoss(label_smoothing=0.1), LOGITS, LABELS)
    assert found == pytest.approx(entropy(soft), abs=1e-6)
    some = torch.cat([LABELS, torch.full((50,), -100)])
    assert const_loss(nn.CrossEntropyLoss(), LOGITS, some) == pytest.approx(entropy(PRIOR))
    probabilities = F.one_hot(LABELS, 3).double()
    found = const_loss(nn.CrossEntropyLoss(), LOGITS, probabilities)
    assert found == pytest.approx(entropy(PRIOR), abs=1e-6)


def test_one_class_and_pictures_of_labels() -> None:
    assert const_loss(nn.CrossEntropyLoss(), LOGITS, torch.ones(9, dtype=torch.long)) == 0.0
    seen = LABELS.reshape(4, 5, 5)
    found = const_loss(nn.CrossEntropyLoss(), torch.zeros(4, 3, 5, 5), seen)
    assert found == pytest.approx(entropy(PRIOR), abs=1e-9)


@pytest.mark.parametrize("loss_fn", [nn.MSELoss(), CRITERIA["mse"], Unknown(F.mse_loss)])
@pytest.mark.parametrize("shape", [(60, 1), (60, 4), (60, 2, 3)])
def test_mse_is_the_variance(loss_fn: Any, shape: tuple[int, ...]) -> None:
    y = numbers(*shape)
    wanted = y.double().var(0, correction=0).mean().item()
    assert const_loss(loss_fn, torch.zeros(2, *shape[1:]), y) == pytest.approx(wanted, abs=1e-6)


def test_mse_of_flat_targets_for_a_single_unit() -> None:
    y = numbers(60)
    found = const_loss(CRITERIA["mse"], torch.zeros(2, 1), y)
    assert found == pytest.approx(y.double().var(correction=0).item(), abs=1e-6)


@pytest.mark.parametrize("loss_fn", [nn.L1Loss(), CRITERIA["l1"]])
def test_l1_is_the_distance_to_the_median(loss_fn: Any) -> None:
    y = numbers(61, 1)
    wanted = (y - y.median()).abs().mean().item()
    assert const_loss(loss_fn, torch.zeros(2, 1), y) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("loss_fn", [nn.HuberLoss(delta=0.5), nn.SmoothL1Loss(beta=0.7)])
def test_huber_is_the_best_of_a_fine_search(loss_fn: nn.Module) -> None:
    y = numbers(60, 1).double()
    grid = torch.linspace(0.5, 2.5, 2001, dtype=torch.float64)
    losses = [loss_fn(g.expand(60, 1), y).item() for g in grid]
    wanted = min(losses)
    assert 0 < losses.index(wanted) < 2000
    assert const_loss(loss_fn, torch.zeros(2, 1), y.float()) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize(
    "loss_fn",
    [nn.BCEWithLogitsLoss(), CRITERIA["bce"], Unknown(F.binary_cross_entropy_with_logits)],
)
def test_bce_is_the_mean_binary_entropy(loss_fn: Any) -> None:
    y = torch.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    wanted = (entropy((0.75, 0.25)) + entropy((0.25, 0.75))) / 2
    assert const_loss(loss_fn, torch.zeros(2, 2), y) == pytest.approx(wanted, abs=1e-6)


def test_bce_of_class_labels_and_one_unit() -> None:
    found = const_loss(CRITERIA["bce"], torch.zeros(2, 3), LABELS)
    wanted = sum(entropy((p, 1 - p)) for p in PRIOR) / 3
    assert found == pytest.approx(wanted, abs=1e-6)
    one = const_loss(CRITERIA["bce"], torch.zeros(2, 1), torch.tensor([1, 0, 0, 0]))
    assert one == pytest.approx(entropy((0.25, 0.75)), abs=1e-6)


def test_a_criterion_with_parameters_is_left_alone() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(2.0))
            self.calls = 0

        def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
            self.calls += 1
            return self.scale * F.mse_loss(outputs, targets)

    loss, y = Scaled(), numbers(40, 2)
    wanted = 2 * y.double().var(0, correction=0).mean().item()
    assert const_loss(loss, torch.zeros(2, 2), y) == pytest.approx(wanted, abs=1e-6)
    assert loss.scale.grad is None
    assert loss.scale.dtype == torch.float32
    assert loss.calls == 0


@pytest.mark.parametrize(
    ("loss_fn", "outputs", "targets"),
    [
        (nn.CrossEntropyLoss(), LOGITS, {"labels": LABELS}),
        (nn.CrossEntropyLoss(), LOGITS, torch.zeros(0, dtype=torch.long)),
        (Unknown(lambda out, y: out["logits"].sum()), LOGITS, LABELS),
        (Unknown(lambda out, y: (out * math.nan).sum()), LOGITS, LABELS),
        (Unknown(lambda out, y: y.sum() * 1.0), LOGITS, LABELS),
        (nn.MSELoss(), torch.tensor(0.0), torch.tensor(1.0)),
    ],
)
def test_what_cannot_be_known_is_none(loss_fn: Any, outputs: Any, targets: Any) -> None:
    assert const_loss(loss_fn, outputs, targets) is None


def test_it_works_under_no_grad() -> None:
    with torch.no_grad():
        found = const_loss(Unknown(F.cross_entropy), LOGITS, LABELS)
    assert found == pytest.approx(entropy(PRIOR), abs=1e-6)
