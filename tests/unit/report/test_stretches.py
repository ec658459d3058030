"""Theory beside measured for plain stretches of any net, on real nets and on made ones."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.golden import report_samples as samples
from undertow.api.check import check
from undertow.core.record import Record
from undertow.report.report import Report
from undertow.report.stretches import stretch_words, stretches

WIDTH, DEPTH = 256, 12
FACTOR = {"relu": (1 / 6) ** 0.5, "sigmoid": 0.25 / 3**0.5}  # of torch's default init


def net(act: type[nn.Module], norm_at: int | None = None) -> nn.Sequential:
    torch.manual_seed(0)
    parts: list[nn.Module] = []
    for i in range(DEPTH):
        parts.append(nn.Linear(WIDTH, WIDTH))
        parts += [nn.BatchNorm1d(WIDTH)] if i == norm_at else []
        parts.append(act())
    return nn.Sequential(*parts, nn.Linear(WIDTH, 4))


def looked(made: nn.Module) -> Report:
    g = torch.Generator().manual_seed(0)
    data = torch.randn(64, WIDTH, generator=g), torch.arange(64) % 4
    return check(made, data, probe_steps=0)


def test_measured_and_theory_agree_on_a_wide_relu_net() -> None:
    report = looked(net(nn.ReLU))
    (found,) = stretches(report.record)
    assert len(found.layers) == DEPTH - 1  # the first layer sees the input's scale
    assert found.theory == pytest.approx(FACTOR["relu"], rel=0.02)
    assert found.measured == pytest.approx(found.theory, rel=0.1)
    assert "plain stretch" in report.to_text()
    assert "theory for wide layers" in report.to_html()


def test_a_norm_ends_a_stretch() -> None:
    found = stretches(looked(net(nn.Sigmoid, norm_at=6)).record)
    assert [len(s.layers) for s in found] == [5, 5]  # layers 1-5 and 7-11
    assert all(s.theory < FACTOR["sigmoid"] * 1.05 for s in found)


def test_skips_short_nets_and_missing_starts_have_none() -> None:
    record = samples.sick().record
    assert record.plan is not None
    assert stretches(record)
    skipped = replace(record.plan, choices=replace(record.plan.choices, skip="projection"))
    assert stretches(replace(record, plan=skipped)) == ()
    assert stretches(replace(record, layers=record.layers[:4])) == ()
    assert stretches(replace(record, snapshots=())) == ()
    assert stretch_words(Record()) == ()
