"""Rows: axes, fans, micro-batches."""

import math

import pytest
import torch
from torch import nn

from undertow.core.record import Cell
from undertow.instrument.calls import weights_of
from undertow.instrument.rows import combined, fans, new_row
from undertow.instrument.trace import Call


@pytest.mark.parametrize(
    ("module", "shape", "axes"),
    [
        (nn.Linear(3, 4), (5, 4), (-1, 0)),
        (nn.Linear(3, 4), (5, 7, 4), (-1, 0)),
        (nn.Conv2d(3, 4, 1), (5, 4, 6, 6), (1, 0)),
        (nn.Conv1d(3, 4, 1), (5, 4, 6), (1, 0)),
        (nn.Conv2d(3, 4, 1), (4, 6, 6), (0, None)),
        (nn.Conv2d(3, 4, 1), (5, 144), (-1, 0)),  # flattened before its activation
        (nn.LSTM(3, 4), (6, 5, 4), (-1, 1)),
        (nn.LSTM(3, 4), (6, 4), (-1, 0)),  # a packed sequence, or a single sample
        (nn.LSTM(3, 4, batch_first=True), (5, 6, 4), (-1, 0)),
    ],
)
def test_unit_and_sample_axes(
    module: nn.Module, shape: tuple[int, ...], axes: tuple[int, int | None]
) -> None:
    call = Call(module, "a", 1, (), torch.zeros(shape), again=False)
    assert new_row(call, 0).axes(call.output) == axes


@pytest.mark.parametrize(
    "module",
    [
        nn.Linear(6, 4),
        nn.Conv2d(6, 4, 3),
        nn.Conv2d(6, 4, 3, groups=2),
        nn.Conv1d(6, 4, 5, bias=False),
    ],
)
def test_fans_are_those_of_torch(module: nn.Linear | nn.Conv2d) -> None:
    wanted = nn.init._calculate_fan_in_and_fan_out(module.weight)
    assert fans(module, weights_of(module)) == wanted
    assert fans(module, []) == (0, 0)


def test_a_second_call_has_a_key_of_its_own() -> None:
    layer = nn.Linear(2, 3)
    rows = [new_row(Call(layer, "a", n, (), torch.zeros(1, 3), again=False), n) for n in (1, 2)]
    assert [row.key for row in rows] == ["a", "a#2"]


@pytest.mark.parametrize(
    ("stat", "values", "wanted"),
    [
        ("act_rms", [], None),
        ("act_rms", [2.0], 2.0),
        ("act_rms", [1.0, 3.0], 2.0),
        ("act_max", [1.0, 3.0], 3.0),
        ("nonfinite", [1.0, 3.0], 4.0),
        ("grad_max", [math.inf, 3.0], math.inf),
        ("grad_max", [math.nan, 3.0], math.nan),
        ("act_mean", [math.inf, -math.inf], math.nan),
    ],
)
def test_micro_batches_are_combined(stat: str, values: list[float], wanted: Cell) -> None:
    assert repr(combined(stat, values)) == repr(wanted)
