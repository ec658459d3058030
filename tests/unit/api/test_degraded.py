"""`repair` on a sound long net with norms that barely trains: a path past layers is tried alone."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn, optim

import undertow as ut
from undertow.api.repair import Fix
from undertow.experiment import degradation, repair

X = torch.randn(96, 6, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()


def normed() -> nn.Module:
    """Five layers of ReLU under batch norm."""
    parts: list[nn.Module] = []
    for c_in in (6, 12, 12, 12, 12):
        parts += [nn.Linear(c_in, 12), nn.BatchNorm1d(12), nn.ReLU()]
    return nn.Sequential(*parts, nn.Linear(12, 2))


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """(remedies, only) of every call of the engine; from four layers on a net is long here."""
    calls: list[Any] = []
    whole = repair.repair

    def told(*args: Any, **given: Any) -> Any:
        calls.append((tuple(r.name for r in args[3]), given.get("only")))
        return whole(*args, **given)

    monkeypatch.setattr(repair, "repair", told)
    monkeypatch.setattr(degradation, "LONG", 4)
    return calls


def repaired() -> Fix:
    make = partial(optim.SGD, lr=0.05, momentum=0.9)
    with ThreadPoolExecutor(1) as pool:
        return ut.repair(normed, (X, Y), optimizer=make, steps=30, budget_s=120, executor=pool)


def test_one_that_trains_well_is_left_alone(tried: list[Any]) -> None:
    fix = repaired()
    assert fix.verdict.word == "not-shown"
    assert fix.verdict.why.startswith("nothing to repair: healthy before training")
    assert tried == []


def test_one_that_barely_trains_is_tried_with_paths_alone_and_named_only_if_they_help(
    tried: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(degradation, "BARELY", 0.0)  # any net barely trains here
    fix = repaired()
    assert tried == [(("skip",), True)]
    assert fix.report.mechanism == "healthy"
    assert fix.verdict.why.startswith("nothing to repair: healthy before training")
    assert fix.tried == ()
