"""Class weights and label smoothing: both limits, the combination that collapses, refusals."""

import pytest
import torch
from torch import Tensor, nn, optim
from torch.nn import functional as F

from undertow.core.errors import UsageError
from undertow.core.plan import TrainChoices
from undertow.train.objective import (
    class_weights,
    objective,
    sample_weights,
    scarce,
    smoothed,
    unlike,
)

G = torch.Generator().manual_seed(0)
OUT, Y = torch.randn(30, 5, generator=G).double(), torch.randint(5, (30,), generator=G)
W = torch.tensor([1.0, 2.0, 0.5, 3.0, 1.5]).double()


def test_both_limits_are_torchs_own() -> None:
    assert torch.allclose(smoothed(OUT, Y, W, 0.0), F.cross_entropy(OUT, Y, weight=W))
    assert torch.allclose(smoothed(OUT, Y, None, 0.1), F.cross_entropy(OUT, Y, label_smoothing=0.1))


def test_the_combination_is_the_formula() -> None:
    logs = OUT.log_softmax(1)
    total = torch.zeros(()).double()
    for i, label in enumerate(Y.tolist()):
        total += W[label] * (-0.8 * logs[i, label] - 0.2 * logs[i].mean())
    assert torch.allclose(smoothed(OUT, Y, W, 0.2), total / W[Y].sum())


def trained(loss: object) -> float:
    """Accuracy on the common class after training by a loss: 2000 of it, 2 of each other one."""
    g = torch.Generator().manual_seed(1)
    y = torch.cat((torch.zeros(2000).long(), torch.arange(1, 10).repeat(2)))
    x = torch.randn(len(y), 10, generator=g) + 3 * F.one_hot(y, 10)
    net = nn.Linear(10, 10)
    with torch.no_grad():
        net.weight.zero_()
        net.bias.zero_()
    optimizer = optim.SGD(net.parameters(), 0.5)
    weights = class_weights(y.bincount(), "inverse")
    for _ in range(60):
        pick = torch.randperm(len(y), generator=g)[:64]
        optimizer.zero_grad()
        loss(net(x[pick]), y[pick], weights).backward()  # type: ignore[operator]
        optimizer.step()
    return float((net(x[:2000]).argmax(1) == 0).float().mean())


def test_torchs_combination_collapses_where_ours_trains() -> None:
    def torchs(out: Tensor, y: Tensor, w: Tensor) -> Tensor:
        return F.cross_entropy(out, y, weight=w, label_smoothing=0.1)

    def ours(out: Tensor, y: Tensor, w: Tensor) -> Tensor:
        return smoothed(out, y, w, 0.1)

    assert trained(ours) > 0.9
    assert trained(torchs) < 0.2


def test_weights_have_mean_1_and_their_formula() -> None:
    counts = torch.tensor([90, 9, 1, 0])
    inverse = class_weights(counts, "inverse")
    assert inverse.sum() == pytest.approx(3)
    assert inverse[1] / inverse[0] == pytest.approx(10)
    assert inverse[2] / inverse[0] == pytest.approx(90)
    assert inverse[3] == 0
    effective = class_weights(counts, "effective")
    assert effective[1] / effective[0] == pytest.approx((1 - 0.9999**90) / (1 - 0.9999**9), 1e-4)
    drawn = sample_weights(torch.tensor([0, 0, 0, 1]), 2)
    assert drawn.tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1])


def test_a_weighted_step_weighs_by_the_sum_of_weights() -> None:
    choices = TrainChoices(balance="inverse")
    made = objective(choices, F.cross_entropy, "cross-entropy", torch.tensor([3, 1]))
    y = torch.tensor([0, 0, 1])
    assert made.mass(y) == pytest.approx(0.5 + 0.5 + 1.5)
    plain = objective(TrainChoices(), F.cross_entropy, "cross-entropy", torch.tensor([3, 1]))
    assert plain.loss_fn is F.cross_entropy
    assert plain.mass(y) == 3


@pytest.mark.parametrize(
    ("given", "word", "said"),
    [
        ({"balance": "inverted"}, "cross-entropy", "did you mean inverse"),
        ({"balance": "inverse"}, "mse", "class weights need loss=cross-entropy, not mse"),
        ({"label_smoothing": 0.1}, "", "label smoothing need.* a loss of your own"),
        ({"label_smoothing": 1.0}, "cross-entropy", "is no share"),
    ],
)
def test_what_does_not_go_together_is_refused(
    given: dict[str, object], word: str, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        objective(TrainChoices(**given), F.mse_loss, word, torch.ones(2))  # type: ignore[arg-type]


def test_changed_inputs_and_labels_are_said() -> None:
    assert unlike(TrainChoices(balance="sampler")) == ()
    (said,) = unlike(TrainChoices(cutmix=1.0, label_smoothing=0.1))
    assert "loss is of mixed inputs and smoothed labels, its share right of their main" in said
    (said,) = unlike(TrainChoices(balance="inverse"))
    assert "loss is of weighted classes; held-back" in said


def test_classes_of_one_sample_and_of_none_are_said() -> None:
    y = torch.tensor([0, 0, 2, 3, 3])
    assert scarce(y, 0) == ()
    one, none = scarce(y, 5, ("a", "b", "c", "d", "e"))
    assert one == "one sample only of 1 of 5 classes to train on: c"
    assert none == "no sample of 2 of 5 classes to train on: b, e"
    (many,) = scarce(torch.zeros(9).long(), 9)
    assert many.endswith("1, 2, 3, 4, 5, ...")
