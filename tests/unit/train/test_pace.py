"""How fast it goes, what waits for data, and what uneven classes change."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn, optim

from undertow.core.plan import TrainChoices
from undertow.core.run import Evaluation
from undertow.data.arrays import Arrays
from undertow.nn.loss import criterion
from undertow.train.evaluation import evaluate
from undertow.train.fit import fit
from undertow.train.job import Job
from undertow.train.log import Log, constant
from undertow.train.objective import imbalance, uneven
from undertow.train.pace import Pace

CPU = torch.device("cpu")


class Clock:
    """Seconds as told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:  # noqa: D102
        return self.now


def test_waiting_for_data_is_told_apart_from_work(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("time.perf_counter", clock)

    def slow() -> Any:
        for i in range(4):
            clock.now += 1.0  # reading
            yield i

    pace = Pace(CPU)
    for _ in pace.timed(slow()):
        clock.now += 3.0  # the step
        pace.took(8)
    told = pace.told()
    assert (told["data_wait"], told["samples_per_s"]) == (0.25, 2.0)
    assert told["peak_bytes"] > 2**20
    assert pace.starved == 0.25
    pace.again()
    clock.now += 1.0
    assert pace.told()["samples_per_s"] == 0.0
    assert pace.starved == 0.25  # it was so once


def test_a_wait_that_nobody_notices_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("time.perf_counter", clock)

    def quick(waits: float) -> float:
        pace = Pace(CPU)

        def reading() -> Any:
            clock.now += waits
            yield 0

        for _ in pace.timed(reading()):
            clock.now += waits
        assert pace.told()["data_wait"] == 0.5
        return pace.starved

    assert quick(0.75) == 0
    assert quick(1.25) == 0.5


def labels(*counts: int) -> torch.Tensor:
    return torch.cat([torch.full((n,), i) for i, n in enumerate(counts)])


def test_uneven_classes_are_told_with_both_answers_unless_one_is_given() -> None:
    assert imbalance(labels(22, 2), 2) == 11
    assert imbalance(labels(20, 0, 2), 4) == 10  # classes without samples are another error
    (said,) = uneven(labels(22, 2), 2, "none")
    assert "11 to 1" in said
    assert "--balance inverse" in said
    assert "--balance sampler" in said
    assert uneven(labels(22, 2), 2, "sampler") == ()
    assert uneven(labels(20, 2), 2, "none") == ()


def job(folder: Path, *counts: int) -> Job:
    y = labels(*counts)
    data = Arrays("uneven", torch.zeros(len(y), 3), y, len(counts), False)
    net = nn.Linear(3, len(counts))
    choices = TrainChoices(lr=0.1, batch=8, epochs=1)
    loss_fn, _ = criterion(None, y)
    return Job(net, optim.SGD(net.parameters(), lr=0.1), data, data, choices, loss_fn, folder)


def test_one_class_for_all_is_told_even_where_accuracy_looks_fine(tmp_path: Path) -> None:
    made = job(tmp_path, 97, 3)
    with torch.no_grad():
        made.net.bias.copy_(torch.tensor([2.0, 0.0]))
    found = evaluate(made.net, made.held, made.loss_fn)
    assert (found.accuracy, found.balanced, found.same) == (0.97, 0.5, 1.0)
    run = fit(made, None)
    assert any(n.startswith("constant predictor: 100%") for n in run.notes)


@pytest.mark.parametrize(
    ("counts", "same", "balanced", "told"),
    [
        ((19, 1), 1.0, 0.5, True),
        ((18, 1), 1.0, 0.5, False),  # 19 samples: .95 of them is all of them or not
        ((97, 3), 0.97, 1.0, False),  # one class is nearly all there is, and the others are found
        ((97, 3), 0.96, 0.76, False),
        ((97, 3), 0.96, 0.74, True),
        ((50, 50), 0.95, 0.55, False),
        ((40, 0), 1.0, 1.0, False),  # nothing else to be found
        ((30, 30, 30), 1.0, 1 / 3, True),
        ((30, 30, 30), 1.0, 0.67, False),
    ],
)
def test_a_constant_predictor_is_told_from_20_samples_on_and_only_where_it_harms(
    counts: tuple[int, ...], same: float, balanced: float, told: bool
) -> None:
    y = labels(*counts)
    held = Arrays("held", torch.zeros(len(y), 3), y, len(counts), False)
    assert constant(Evaluation(1, 1.0, 0.5, len(y), balanced, same=same), held) is told
    assert not constant(Evaluation(1, 1.0, None, len(y)), held)


def test_best_is_by_balanced_accuracy_where_classes_are_uneven(tmp_path: Path) -> None:
    low = Evaluation(1, 0.1, 0.97, 100, balanced=0.5)
    fair = replace(low, step=2, loss=0.3, accuracy=0.9, balanced=0.9)
    assert Log(job(tmp_path, 97, 3), None)._better(fair, low)
    assert not Log(job(tmp_path, 50, 50), None)._better(fair, low)
