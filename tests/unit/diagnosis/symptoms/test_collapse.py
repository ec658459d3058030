"""UT103: the limit, the last hidden layer only, the start rule."""

import pytest

from tests.cases.records import check
from undertow.diagnosis.symptoms.collapse import signal_collapse


@pytest.mark.parametrize(("spread", "fires"), [(0.0199, True), (0.0201, False), (0.135, False)])
def test_limit(spread: float, fires: bool) -> None:
    row = [0.5] * 19 + [spread]
    found = signal_collapse.run(check(spread=row))
    assert bool(found) is fires
    if fires:
        assert found[0].layers == ("l19",)
        assert "l19" in found[0].says
        assert "limit 0.02" in found[0].says


def test_an_inner_layer_alone_is_no_collapse() -> None:
    assert not signal_collapse.run(check(spread=[0.001, *(0.5,) * 19]))


@pytest.mark.parametrize(("spread", "fires"), [(0.0172, True), (0.0174, False)])
def test_start_rule(spread: float, fires: bool) -> None:
    assert bool(signal_collapse.run(check(learns=None, spread=spread))) is fires


def test_gate_and_missing() -> None:
    assert not signal_collapse.run(check(learns=True, spread=0.01))
    assert not signal_collapse.run(check(spread=[None] * 20))
