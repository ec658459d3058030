"""Short trainings: repeatable, capped, chance where they are not finite."""

from dataclasses import replace

import pytest
import torch

from undertow.core.plan import Choices, Edit, Plan, TrainChoices
from undertow.data.arrays import Arrays
from undertow.studies.measures import changed, nets, tasks, training
from undertow.studies.study import Cell, Value

PLAN = Plan(
    "mlp",
    Choices(act="relu", init="he-normal", norm="none"),
    (("depth", 2), ("width", 16)),
    train=TrainChoices(lr=0.1, batch=32),
)


def cell(*given: tuple[str, Value], lr: float = 0.1, steps: int = 20) -> Cell:
    return Cell("a", PLAN.edit([Edit("lr", lr)]), given, "normal", steps)


def two_clouds(count: int = 128) -> Arrays:
    g = torch.Generator().manual_seed(0)
    y = torch.arange(count) % 2
    x = torch.randn(count, 4, generator=g) + 3.0 * y.unsqueeze(1)
    return Arrays("clouds", x, y, 2, False)


def test_a_training_is_repeatable_and_learns() -> None:
    data = two_clouds()
    one, other = (training.judged(cell(), nets.net(cell(), (4,)), data, data) for _ in "ab")
    assert one == other
    assert float(str(one["accuracy"])) > 0.95
    assert float(str(one["loss"])) < 0.3


def test_what_is_not_finite_is_chance_and_the_cap() -> None:
    sick = cell(("gain", 1e30))
    found = training.judged(sick, nets.net(sick, (4,)), two_clouds(), two_clouds())
    assert found["accuracy"] == 0.5
    assert found["loss"] == training.CAP
    assert found["lasted"] == 0.0


def test_the_first_epoch_at_the_target_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    data = two_clouds()
    monkeypatch.setattr(nets, "split", lambda _: (data, data))
    found = training.epochs_to_target(cell(steps=40), lambda shape: nets.net(cell(), shape))
    assert 0 < float(str(found["epochs"])) < training.NEVER
    never = training.epochs_to_target(cell(steps=1), lambda shape: nets.net(cell(), shape))
    assert never["epochs"] == training.NEVER


def test_moved_activations() -> None:
    x = torch.linspace(-4, 4, 9)
    assert torch.allclose(changed.Centred()(x), torch.sigmoid(x) - 0.5)
    assert torch.allclose(changed.Raised()(x), torch.sigmoid(2 * x), atol=1e-6)
    plan = replace(PLAN, choices=replace(PLAN.choices, act="sigmoid"))
    made = changed.made(Cell("a", plan, (("moved", "sigmoid - 1/2"),), "normal", 0), (4,))
    places = made.named_modules(remove_duplicate=False)
    assert sum(isinstance(m, changed.Centred) for _, m in places) == 2


def test_equal_weights_stay_equal() -> None:
    data = two_clouds()
    equal = cell(("equal", True))
    made = changed.made(equal, (4,))
    training.train(equal, made, data)
    weight = nets.hidden(made)[0].weight.detach()
    assert float((weight - weight[0]).abs().max()) < 1e-6


def test_calibration_error_by_hand() -> None:
    p = torch.tensor([0.95, 0.95, 0.05, 0.05])
    y = torch.tensor([1, 0, 0, 0])
    assert tasks._calibration(p, y) == pytest.approx(0.5 * 0.45 + 0.5 * 0.05)


def test_a_readout_finds_a_linear_rule() -> None:
    data = two_clouds()
    x = nets.images(data)
    assert tasks._readout(x, data.y, x, data.y) > 0.97
