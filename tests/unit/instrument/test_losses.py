"""Where a loss comes from, and what the labels say of the best constant answer."""

from typing import Any

import pytest
import torch
from torch import nn

from undertow.instrument.guard import Guard
from undertow.instrument.losses import LABELS, Labels, Losses, mean, number


def test_numbers_and_means() -> None:
    x = torch.tensor(2.0, requires_grad=True)
    assert number(x) == 2.0
    assert number(3) == 3.0
    held = torch.tensor(4.0)
    loss = number(held)
    held.mul_(9)
    assert loss == 4.0
    assert mean([1.0, torch.tensor(3.0)]) == 2.0
    assert mean([]) is None


def test_labels_are_kept_up_to_a_bound() -> None:
    labels = Labels("cross-entropy")
    for _ in range(50):
        labels.add(torch.tensor([0, 1] * 64))
    assert sum(map(len, labels._seen)) == LABELS
    assert labels.constant((8, 2)) == pytest.approx(0.693147, rel=1e-5)
    assert labels.constant(None) is None
    for odd in (None, {"y": 1}, torch.tensor(3), torch.zeros(0)):
        labels.add(odd)


def test_pictures_as_labels_are_bounded_by_values() -> None:
    labels = Labels("mse")
    labels.add(torch.randn(64, 3, 64, 64))
    assert sum(map(len, labels._seen)) == 21


def test_a_sum_is_scaled_to_a_batch() -> None:
    labels = Labels(nn.CrossEntropyLoss(reduction="sum"))
    labels.add(torch.tensor([0, 1, 1, 0]))
    labels.add(torch.tensor([0, 1, 1, 0]))
    assert labels.constant((4, 2)) == pytest.approx(4 * 0.693147, rel=1e-5)


@pytest.mark.parametrize(
    ("labels", "wanted"), [(torch.tensor([0, 1]), 0.693147), (torch.tensor([[0.0], [2.0]]), 1.0)]
)
def test_without_a_criterion_the_kind_of_label_decides(labels: Any, wanted: float) -> None:
    seen = Labels(None)
    seen.add(labels)
    assert seen.constant((2, 2 if labels.ndim == 1 else 1)) == pytest.approx(wanted, rel=1e-5)


def test_a_hooked_criterion_tells_only_losses_that_train() -> None:
    criterion = nn.MSELoss()
    losses = Losses(criterion, Guard())
    losses.attach()
    x, y = torch.ones(4, 1, requires_grad=True), torch.zeros(4, 1)
    criterion(x, y)
    criterion(x.detach(), y)
    assert losses.taken() == [1.0]
    assert losses.taken() == []
    losses.detach()
    criterion(x, y)
    assert losses.pending == []
    assert not criterion._forward_hooks


def test_a_told_loss_is_the_only_source_from_then_on() -> None:
    criterion = nn.MSELoss()
    losses = Losses(criterion, Guard())
    losses.attach()
    x = torch.ones(4, 1, requires_grad=True)
    criterion(x, torch.zeros(4, 1))
    assert not losses.tell(7.0, torch.zeros(4, 1), waiting=None)
    criterion(x, torch.zeros(4, 1))
    assert losses.taken() == [7.0]
    assert losses.tell(8.0, None, waiting=[])
    losses.detach()
