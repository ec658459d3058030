"""UT105: the limit and the gate."""

import pytest

from tests.cases.records import check, run
from undertow.diagnosis.symptoms.saturated import saturated_units


@pytest.mark.parametrize(("share", "fires"), [(0.80, False), (0.90, False), (0.91, True)])
def test_limit(share: float, fires: bool) -> None:
    row = [0.2, share, *(0.2,) * 18]
    found = saturated_units.run(check(saturated=row))
    assert bool(found) is fires
    if fires:
        assert found[0].layers == ("l1",)
        assert found[0].evidence[0].limit == 0.9
        assert "91%" in found[0].says


def test_gate() -> None:
    assert not saturated_units.run(check(learns=True, saturated=0.99))
    assert not saturated_units.run(check(learns=None, saturated=0.99))
    assert saturated_units.run(run(saturated=0.99))
