"""Counts against scikit-learn, closed forms, and the same data in other batches."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn import metrics as sk
from torch import Tensor

from undertow.core.scores import balanced_accuracy, calibration_error, class_scores, wilson
from undertow.nn.loss import CRITERIA
from undertow.use.metrics import BINS, WORST, Counted, Tally, pr_area, probabilities, roc_area

EXACT = 1e-12


def drawn(n: int, classes: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Logits that are right more often than not, and labels, rare classes among them."""
    g = torch.Generator().manual_seed(seed)
    odds = torch.arange(1, max(2, classes) + 1).double()
    y = torch.multinomial(odds, n, replacement=True, generator=g)
    logits = torch.randn(n, classes, generator=g, dtype=torch.float64)
    if classes == 1:
        return logits + (y.unsqueeze(1) - 0.5), y
    logits[torch.arange(n), y] += 1.5
    return logits, y


def tally(logits: Tensor, y: Tensor, word: str = "cross-entropy", batch: int = 37) -> Counted:
    classes = max(2, logits.shape[1])
    held = Tally(classes, CRITERIA[word], word)
    for at in range(0, len(y), batch):
        part = range(at, min(at + batch, len(y)))
        held.add(logits[at : at + batch], y[at : at + batch], part)
    return held.counted()


@pytest.mark.parametrize("classes", [2, 3, 11])
def test_classes_are_scored_as_by_scikit_learn(classes: int) -> None:
    logits, y = drawn(500, classes)
    found, guess = tally(logits, y), logits.argmax(1)
    assert np.array_equal(np.array(found.confusion), sk.confusion_matrix(y, guess))
    scores = class_scores(found.confusion, [str(i) for i in range(classes)])
    precision, recall, f1, support = sk.precision_recall_fscore_support(y, guess)
    assert [s.support for s in scores] == support.tolist()
    assert [s.precision for s in scores] == pytest.approx(precision.tolist(), abs=EXACT)
    assert [s.recall for s in scores] == pytest.approx(recall.tolist(), abs=EXACT)
    assert [s.f1 for s in scores] == pytest.approx(f1.tolist(), abs=EXACT)
    expected = sk.balanced_accuracy_score(y, guess)
    assert balanced_accuracy(scores) == pytest.approx(expected, abs=EXACT)
    expected = sk.log_loss(y, logits.softmax(1).numpy(), labels=range(classes))
    assert found.loss == pytest.approx(expected, abs=EXACT)


def test_top_5_is_scikit_learns_and_only_told_above_five_classes() -> None:
    logits, y = drawn(500, 11)
    found = tally(logits, y)
    expected = sk.top_k_accuracy_score(y, logits.numpy(), k=5, normalize=False)
    assert found.top5 == expected
    assert tally(*drawn(50, 5)).top5 is None


def test_one_unit_is_scored_as_by_scikit_learn() -> None:
    logits, y = drawn(400, 1)
    logits = (logits * 4).round() / 4  # ties among the scores
    found, p = tally(logits, y, "bce"), torch.sigmoid(logits[:, 0])
    assert found.binary is not None
    assert found.binary.roc_area == pytest.approx(sk.roc_auc_score(y, p), abs=EXACT)
    assert found.binary.pr_area == pytest.approx(sk.average_precision_score(y, p), abs=EXACT)
    assert found.binary.brier == pytest.approx(sk.brier_score_loss(y, p), abs=EXACT)
    assert np.array_equal(np.array(found.confusion), sk.confusion_matrix(y, (p > 0.5).long()))
    one = class_scores(found.confusion, ("0", "1"))[1]
    assert one.f1 == pytest.approx(sk.f1_score(y, (p > 0.5).long()), abs=EXACT)
    assert found.loss == pytest.approx(sk.log_loss(y, p), abs=EXACT)


def test_areas_of_one_class_alone_are_not_measured() -> None:
    scores = torch.rand(5, dtype=torch.float64)
    assert roc_area(scores, torch.ones(5, dtype=torch.int64)) is None
    assert pr_area(scores, torch.zeros(5, dtype=torch.int64)) is None


def test_calibration_is_that_of_a_plain_loop() -> None:
    logits, y = drawn(600, 4)
    chances = logits.softmax(1).numpy()
    sure, good = chances.max(1), chances.argmax(1) == y.numpy()
    edges = np.arange(BINS + 1) / BINS
    error = 0.0
    for low, high in pairwise(edges):
        inside = (sure > low) & (sure <= high)
        if inside.any():
            error += inside.mean() * abs(good[inside].mean() - sure[inside].mean())
    found = tally(logits, y)
    assert calibration_error(found.bins) == pytest.approx(error, abs=EXACT)
    assert sum(b.n for b in found.bins) == 600


def test_a_unit_is_calibrated_by_its_own_probability() -> None:
    logits = torch.logit(torch.full((100, 1), 0.2, dtype=torch.float64))
    y = (torch.arange(100) < 20).long()
    (used,) = [b for b in tally(logits, y, "bce").bins if b.n]
    assert (used.n, used.right) == (100, 20)
    assert calibration_error(tally(logits, y, "bce").bins) == pytest.approx(0, abs=EXACT)


@pytest.mark.parametrize("word", ["cross-entropy", "bce"])
def test_batches_do_not_matter(word: str) -> None:
    logits, y = drawn(301, 7)
    one, many = tally(logits, y, word, batch=301), tally(logits, y, word, batch=2)
    assert one.confusion == many.confusion
    assert one.top5 == many.top5
    assert [w.index for w in one.worst] == [w.index for w in many.worst]
    assert one.loss == pytest.approx(many.loss, abs=EXACT)


def test_the_highest_losses_are_kept_in_order() -> None:
    logits, y = drawn(200, 3)
    each = torch.nn.functional.cross_entropy(logits, y, reduction="none")
    found = tally(logits, y).worst
    assert [w.index for w in found] == each.topk(WORST).indices.tolist()
    assert [w.loss for w in found] == pytest.approx(each.topk(WORST).values.tolist(), abs=EXACT)
    first = found[0]
    assert first.probability == pytest.approx(float(logits.softmax(1)[first.index, first.label]))
    assert first.guess == int(logits[first.index].argmax())


def test_bce_with_one_logit_a_class_is_torchs_own() -> None:
    logits, y = drawn(64, 5)
    expected = CRITERIA["bce"](logits, y)
    assert tally(logits, y, "bce").loss == pytest.approx(float(expected), abs=1e-6)
    assert torch.equal(probabilities(logits, "bce"), logits.sigmoid())


def test_targets_that_are_no_classes_give_a_loss_alone() -> None:
    g = torch.Generator().manual_seed(1)
    out, y = torch.randn(50, 1, generator=g), torch.randn(50, generator=g)
    held = Tally(0, CRITERIA["mse"], "mse")
    for at in range(0, 50, 20):
        held.add(out[at : at + 20], y[at : at + 20], range(at, at + 20))
    found = held.counted()
    assert found.loss == pytest.approx(float((out[:, 0] - y).square().mean()), rel=1e-6)
    assert (found.n, found.confusion, found.worst) == (50, (), ())


def test_outputs_that_are_not_finite_are_counted_and_never_right_in_the_top_five() -> None:
    logits, y = drawn(20, 8)
    logits[3] = float("nan")
    found = tally(logits, y)
    assert found.bad == 1
    assert found.worst[0].index == 3
    assert np.isnan(found.loss)
    assert found.top5 is not None
    assert found.top5 <= 19


def test_wilson_is_the_root_of_its_equation_and_keeps_inside() -> None:
    for right, n in ((0, 10), (1, 10), (81, 100), (10, 10), (8103, 10_000)):
        low, high = wilson(right, n)
        assert 0 <= low <= right / n <= high <= 1
        for edge in (low, high):
            if edge not in (0.0, 1.0):  # |p̂ − p| = z·√(p(1 − p)/n)
                z = abs(right / n - edge) / (edge * (1 - edge) / n) ** 0.5
                assert z == pytest.approx(1.959963984540054, rel=1e-9)
    assert wilson(0, 0) == (0.0, 1.0)
