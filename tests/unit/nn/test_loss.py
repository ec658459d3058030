"""Loss words against torch's own functions; shapes that users have; words of criteria."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from undertow.core.errors import UsageError
from undertow.core.words import LOSSES
from undertow.nn.loss import CRITERIA, criterion, word_of

g = torch.Generator().manual_seed(0)
OUT = torch.randn(8, 3, generator=g)
ONE = torch.randn(8, 1, generator=g)
LABELS = torch.arange(8) % 3
BINARY = torch.arange(8) % 2


def test_there_is_a_criterion_for_every_word() -> None:
    assert tuple(CRITERIA) == LOSSES


@pytest.mark.parametrize(
    ("word", "out", "targets", "expected"),
    [
        ("cross-entropy", OUT, LABELS, F.cross_entropy(OUT, LABELS)),
        ("bce", ONE, BINARY, F.binary_cross_entropy_with_logits(ONE[:, 0], BINARY.float())),
        ("bce", ONE[:, 0], BINARY, F.binary_cross_entropy_with_logits(ONE[:, 0], BINARY.float())),
        ("bce", ONE, BINARY[:, None] > 0, F.softplus(ONE * (1 - 2 * BINARY[:, None])).mean()),
        (
            "bce",
            OUT,
            LABELS,
            F.softplus(OUT * (1 - 2 * torch.eye(3)[LABELS])).mean(),
        ),
        ("mse", ONE, ONE[:, 0] + 2, torch.tensor(4.0)),
        ("l1", ONE[:, 0], ONE + 2, torch.tensor(2.0)),
        ("huber", ONE, ONE + 0.5, torch.tensor(0.125)),
        ("mse", ONE, BINARY, (ONE[:, 0] - BINARY).square().mean()),
    ],
)
def test_words_compute_what_they_name(
    word: str, out: Tensor, targets: Tensor, expected: Tensor
) -> None:
    call, again = criterion(word, targets)
    assert again == word
    assert call(out, targets).item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize(
    ("targets", "word"), [(LABELS, "cross-entropy"), (ONE, "mse"), ("no tensor", "cross-entropy")]
)
def test_without_a_word_the_targets_decide(targets: Any, word: str) -> None:
    call, found = criterion(None, targets)
    assert found == word
    assert call is CRITERIA[word]


class Unhashable:
    """A callable that cannot be a key."""

    __hash__ = None  # type: ignore[assignment]

    def __call__(self, out: Tensor, targets: Tensor) -> Tensor:
        """A scalar."""
        return out.sum()


@pytest.mark.parametrize(
    ("loss", "word"),
    [
        (nn.CrossEntropyLoss(), "cross-entropy"),
        (nn.BCEWithLogitsLoss(), "bce"),
        (nn.MSELoss(), "mse"),
        (nn.L1Loss(), "l1"),
        (nn.HuberLoss(), "huber"),
        (F.mse_loss, "mse"),
        (F.cross_entropy, "cross-entropy"),
        (nn.NLLLoss(), ""),
        (partial(F.mse_loss, reduction="sum"), ""),
        (Unhashable(), ""),
    ],
)
def test_a_callable_stays_itself_and_has_a_word_if_known(loss: Any, word: str) -> None:
    call, found = criterion(loss, LABELS)
    assert call is loss
    assert found == word
    assert word_of(loss) == word


def test_what_is_no_loss_is_refused() -> None:
    with pytest.raises(UsageError, match=r"loss='crossentropy' is unknown \(did you mean cross-"):
        criterion("crossentropy", LABELS)
    with pytest.raises(UsageError, match="loss=3 is neither a word nor callable"):
        criterion(3, LABELS)
