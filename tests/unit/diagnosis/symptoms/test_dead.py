"""UT104: note, finding, whole layer; which activations count."""

import pytest

from tests.cases.records import check, layers, run
from undertow.diagnosis.symptoms.dead import dead_units


def one(share: float) -> list[float]:
    return [0.3, share, *(0.3,) * 18]


@pytest.mark.parametrize(
    ("share", "word"), [(0.49, ""), (0.51, "note"), (0.9, "note"), (0.91, "finding")]
)
def test_limits_in_a_stuck_net(share: float, word: str) -> None:
    found = dead_units.run(check(dead=one(share)))
    assert ["note" if s.note else "finding" for s in found] == ([word] if word else [])
    assert all(s.layers == ("l1",) for s in found)


@pytest.mark.parametrize(("share", "note"), [(0.99, True), (1.0, False)])
def test_only_a_whole_layer_is_never_gated(share: float, note: bool) -> None:
    (found,) = dead_units.run(check(learns=True, dead=one(share)))
    assert found.note is note
    assert found.evidence[0].value == share


@pytest.mark.parametrize(("share", "note"), [(0.96, True), (0.98, False)])
def test_start_rule(share: float, note: bool) -> None:
    (found,) = dead_units.run(check(learns=None, dead=one(share)))
    assert found.note is note


@pytest.mark.parametrize("act", ["elu", "selu", "gelu", "sigmoid", "tanh", ""])
def test_other_activations_are_never_alarmed(act: str) -> None:
    assert not dead_units.run(check(dead=1.0, layers=layers(act=act)))


def test_a_leaky_layer_is_gated() -> None:
    record = check(learns=True, dead=1.0, layers=layers(act="leaky-relu"))
    assert all(s.note for s in dead_units.run(record))
    (found,) = dead_units.run(check(dead=1.0, layers=layers(act="leaky-relu")))
    assert not found.note


def test_a_run_says_since_when() -> None:
    (found,) = dead_units.run(run(dead=one(1.0), first={}))
    assert found.since == 20
    assert found.says == "100% of the units at l1 fire for no input; limit 90%"
