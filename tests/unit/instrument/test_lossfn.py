"""Loss functions are seen with their labels; shares and scales are told from sums."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from undertow.instrument.lossfn import Called, LossMode, leads_to, loss_scale
from undertow.nn.loss import word_of

OUT = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
Y = torch.tensor([0, 1, 2, 0, 1, 2])


def called(loss: Callable[[Tensor, Any], Any], labels: Any = Y) -> tuple[list[Called], Any]:
    seen: list[Called] = []
    with LossMode(seen.append):
        value = loss(OUT.clone().requires_grad_(), labels)
    return seen, value


@pytest.mark.parametrize("loss", [F.cross_entropy, nn.CrossEntropyLoss()])
def test_functions_and_modules_are_seen_alike(loss: Callable[[Tensor, Any], Tensor]) -> None:
    (call,), value = called(loss)
    assert call.result is value
    assert call.labels is Y
    assert call.outputs.values.shape == (6, 3)
    assert call.whole
    assert word_of(call.loss) == "cross-entropy"
    assert call.value == value.item()


def test_log_probabilities_are_logits_too() -> None:
    (call,), value = called(lambda o, y: F.nll_loss(o.log_softmax(1), y))
    assert word_of(call.loss) == "cross-entropy"
    assert call.loss(OUT.log_softmax(1), Y).item() == pytest.approx(value.item(), rel=1e-6)


def test_options_are_kept_and_the_plain_word_is_not_given() -> None:
    weight = torch.tensor([1.0, 2.0, 3.0])
    (call,), value = called(lambda o, y: F.cross_entropy(o, y, weight, label_smoothing=0.1))
    assert not call.whole
    assert call.loss(OUT, Y).item() == pytest.approx(value.item(), rel=1e-6)
    (summed,), _ = called(lambda o, y: F.cross_entropy(o, y, reduction="sum"))
    assert summed.labels is None


def test_what_has_no_gradient_or_is_no_scalar_is_not_told() -> None:
    assert called(lambda o, y: F.cross_entropy(o.detach(), y))[0] == []
    assert called(lambda o, y: F.cross_entropy(o, y, reduction="none"))[0] == []
    assert called(lambda o, y: o.sum())[0] == []


@pytest.mark.parametrize(
    ("change", "leads", "scale"),
    [
        (lambda x: x, True, None),
        (lambda x: x / 4, True, None),
        (lambda x: 0.5 * x, True, None),
        (lambda x: x * torch.tensor(65536.0), True, 65536.0),
        (lambda x: x / 4 * torch.tensor(65536.0), True, 65536.0),
        (lambda x: x + x.sin(), False, None),
        (lambda x: x * x, False, None),
        (lambda x: -x, False, None),
    ],
)
def test_shares_and_scales(
    change: Callable[[Tensor], Tensor], leads: bool, scale: float | None
) -> None:
    _, value = called(F.cross_entropy)
    end = change(value)
    assert leads_to(end, value) is leads
    found = loss_scale(end)
    assert (None if found is None else found.item()) == scale
