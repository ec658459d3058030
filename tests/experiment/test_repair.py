"""A repair on real digits: the fault of a deep net is found, mended, and the mending proven."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import torch
from torch import nn, optim

import undertow as ut
from undertow.data import load
from undertow.data.split import standardised


def shallow() -> nn.Module:
    """Four sigmoid layers under weights far too small: no gradient arrives."""
    net = nn.Sequential(
        nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(),
        nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 10),
    )  # fmt: skip
    for module in net.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.003)
            nn.init.zeros_(module.bias)
    return net


def test_weights_too_small_are_drawn_by_their_rule_and_proven() -> None:
    (data,) = standardised(load("digits"))
    data = data.take(torch.arange(600))
    make = partial(optim.SGD, lr=0.05, momentum=0.9)
    with ThreadPoolExecutor(1) as pool:
        fix = ut.repair(
            shallow, (data.x, data.y), optimizer=make, steps=60, budget_s=120, executor=pool
        )
    assert fix.report.mechanism == "vanishing"
    assert fix.report.causes[0].name == "initialisation"
    assert fix.verdict.word == "repaired", fix.verdict.why
    assert fix.verdict.effect is not None
    assert fix.verdict.effect.high < 0
    assert fix.kept is not None
    assert fix.diff()
    right = (fix.model.eval()(data.x).argmax(1) == data.y).float().mean()
    assert float(right) > 0.8
