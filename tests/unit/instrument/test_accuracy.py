"""The share of right answers in the ten steps up to a verdict, and only there."""

import pytest
import torch
from torch import Tensor, nn

from undertow.api.watch import watch
from undertow.core.record import Record
from undertow.instrument.accuracy import Guesses, share_right

torch.manual_seed(0)
X, Y = torch.randn(40, 5), torch.arange(40) % 3


def trained(
    steps: int, *, tell: str = "before", evaluate: bool = False
) -> tuple[Record, list[float]]:
    """A watched loop's record and the accuracies of its own outputs, step by step."""
    net, right = nn.Linear(5, 3), list[float]()
    opt = torch.optim.SGD(net.parameters(), lr=0.5)
    with watch(net, optimizer=opt, loss="cross-entropy") as w:
        for i in range(steps):
            y = Y.roll(i)
            opt.zero_grad()
            out = net(X)
            loss = nn.functional.cross_entropy(out, y)
            loss.backward()
            right.append(float((out.argmax(1) == y).float().mean()))
            if evaluate:
                with torch.no_grad():
                    net(-X)
            if tell == "before":
                w.loss(loss, y)
            opt.step()
            if tell == "after":
                w.loss(loss, y)
    assert not net._forward_hooks
    return w.record, right


@pytest.mark.parametrize("tell", ["before", "after"])
@pytest.mark.parametrize("evaluate", [False, True])
def test_the_ten_steps_before_a_verdict_are_measured(evaluate: bool, tell: str) -> None:
    """By the loop's own outputs; passes without a gradient in between count for nothing."""
    record, right = trained(101, evaluate=evaluate, tell=tell)
    seen = {m.step: m.accuracy for m in record.metrics if m.accuracy is not None}
    assert list(seen) == list(range(91, 101))
    assert list(seen.values()) == pytest.approx([right[s] for s in seen], rel=1e-5)


def test_a_step_is_compared_with_its_own_labels_only() -> None:
    """A loop that tells none shows them where its loss function's call is seen.

    Those up to a verdict are among these, though the loop tells none.
    """
    record, right = trained(101, tell="never")
    seen = {m.step: m.accuracy for m in record.metrics if m.accuracy is not None}
    assert list(seen) == list(range(91, 101))
    assert list(seen.values()) == pytest.approx([right[s] for s in seen], rel=1e-5)


@pytest.mark.parametrize(
    ("guesses", "labels", "share"),
    [
        (torch.tensor([0, 1, 2, 0]), torch.tensor([0, 1, 0, 1]), 0.5),
        (torch.tensor([0, 1]), torch.tensor([0, 1, 0]), None),
        (torch.tensor([0, 1]), torch.tensor([0.0, 1.0]), None),
        (torch.zeros(0, dtype=torch.long), torch.zeros(0, dtype=torch.long), None),
        (None, torch.tensor([0]), None),
    ],
)
def test_share_right(guesses: Tensor | None, labels: Tensor, share: float | None) -> None:
    """Class numbers of one shape; anything else is not compared."""
    assert share_right(guesses, labels) == share


def test_outputs_that_are_no_classes_are_passed_over() -> None:
    """One unit, or a class for every pixel."""
    for net, x in ((nn.Linear(5, 1), X), (nn.Conv2d(1, 3, 1), torch.randn(2, 1, 4, 4))):
        guesses = Guesses(net)
        guesses.prepare(100)
        net(x)
        assert guesses.taken() is None
        guesses.stop()
