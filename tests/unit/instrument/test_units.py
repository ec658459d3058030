"""Dead units: in every call of a step, over the last three sampled rows."""

import torch
from torch import Tensor

from undertow.instrument.units import DeadUnits


def flags(*dead: int) -> Tensor:
    return torch.tensor([i in dead for i in range(4)])


def test_dead_in_every_call_of_a_step() -> None:
    units = DeadUnits()
    units.see("a", flags(0, 1, 2))
    units.see("a", flags(1, 2, 3))
    units.see("b", flags())
    units.close()
    assert units.indices() == {"a": (1, 2)}
    assert units.dead("none") is None


def test_dead_in_each_of_the_last_three_rows() -> None:
    units = DeadUnits()
    seen = []
    for dead in [(0, 1), (0,), (0, 2), (0, 2), (0, 2)]:
        units.see("a", flags(*dead))
        units.close()
        seen.append(units.indices()["a"])
    assert seen == [(0, 1), (0,), (0,), (0,), (0, 2)]


def test_another_width_starts_anew() -> None:
    units = DeadUnits()
    units.see("a", flags(0))
    units.close()
    units.see("a", torch.tensor([False, True]))
    units.close()
    assert units.indices() == {"a": (1,)}
