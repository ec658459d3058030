"""`undertow repair`: proven is 0, not shown is 1, JSON holds the verdict."""

import os

import pytest

from tests.unit.cli.command import run
from undertow.report.report import Report

SMALL = ("mlp", "--depth", "2", "--width", "16", "--init", "he", "--data", "synthetic:1x4x4:3")
SLOW = (*SMALL, "--lr", "1e-5", "--steps", "60")


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials in this process: a pool takes seconds to start."""
    monkeypatch.setattr(os, "cpu_count", lambda: 1)


def test_a_proven_repair_is_0_and_says_what_to_change() -> None:
    found = run("repair", *SLOW, "--diff")
    assert found.code == 0, found.out
    assert "raise-lr" in found.out
    assert "- lr = 1e-05" in found.out
    assert "undertow train mlp" in found.out


def test_two_seeds_show_nothing_and_that_is_1() -> None:
    found = run("repair", *SLOW, "--seeds", "2", "--json", "--diff")
    report = Report.from_json(found.out)
    assert report.verdict is not None
    assert (found.code, report.verdict.word) == (1, "not-shown")
    assert report.to_json() == found.out.strip()


def test_a_healthy_net_needs_none_and_that_is_0() -> None:
    found = run("repair", *SMALL, "--json")
    assert found.code == 0
    assert Report.from_json(found.out).healthy


def test_wrong_use_is_2() -> None:
    for words, said in (
        (("--validation", "2"), "validation=2.0 is no share"),
        (("--seeds", "0"), "--seeds"),
    ):
        found = run("repair", *SMALL, *words)
        assert found.code == 2
        assert said in found.err
