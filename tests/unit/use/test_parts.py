"""Which samples are evaluated: what is new to the net before what it was trained on."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from undertow.core.errors import UsageError
from undertow.core.plan import Plan
from undertow.data.arrays import Arrays
from undertow.data.split import hold_back
from undertow.use.parts import SEEN, part_of
from undertow.use.source import Opened


def data(n: int = 30) -> Arrays:
    g = torch.Generator().manual_seed(n)
    return Arrays("made", torch.rand(n, 4, generator=g), torch.arange(n) % 3, 3, False)


def run(of: Arrays) -> Opened:
    plan = Plan("mlp", validation=0.2, seed=3)
    return Opened(nn.Linear(4, 3), None, plan=plan, fingerprint=of.fingerprint)


def test_the_runs_own_data_give_what_it_held_back() -> None:
    whole = data()
    part, word, notes = part_of(whole, run(whole), "auto")
    kept, held = hold_back(whole, 0.2, 3)
    assert (word, notes) == ("held-back", ())
    assert torch.equal(part.y, held.y)
    assert torch.equal(part.x[:], held.x[:])
    seen, word, notes = part_of(whole, run(whole), "train")
    assert (len(seen.x), word, notes) == (len(kept.x), "train", (SEEN,))
    assert part_of(whole, run(whole), "all")[2] == (SEEN,)


def test_other_data_are_taken_whole_without_a_warning() -> None:
    part, word, notes = part_of(data(31), run(data()), "auto")
    assert (len(part.x), word, notes) == (31, "all", ())


def test_parts_of_the_data_come_first() -> None:
    whole = replace(data(), validation=data(9), test=data(6))
    assert part_of(whole, run(whole), "auto")[1] == "test"
    assert len(part_of(whole, run(whole), "validation")[0].x) == 9
    held = replace(data(), validation=data(9))
    assert part_of(held, run(data()), "auto")[1] == "validation"
    assert part_of(whole, run(whole), "auto")[0].name == "made"


def test_a_part_that_is_not_there_is_an_error() -> None:
    with pytest.raises(UsageError, match="has no part test; it has train, all"):
        part_of(data(), run(data(31)), "test")
    with pytest.raises(UsageError, match="part='tset' is unknown"):
        part_of(data(), run(data()), "tset")
