"""A user's own settings: what is silenced is said, limits move a verdict, mistakes are told."""

from pathlib import Path
from typing import Any

import pytest

from tests.cases import records
from undertow.core.errors import UsageError
from undertow.core.finding import Evidence, Symptom
from undertow.diagnosis import settings as own
from undertow.diagnosis.engine import diagnose
from undertow.diagnosis.settings import LIMITS, Settings, settings_of, silenced

SICK = records.record_with(0.5, stuck=True)  # half the gradient a layer, 20 layers
FILE = "pyproject.toml"


def names(found: Any) -> list[str]:
    return [s.name for s in found.symptoms]


def test_a_silenced_finding_is_gone_and_said() -> None:
    assert "vanishing-gradient" in names(diagnose(SICK))
    found = diagnose(SICK, settings=settings_of({"ignore": ["UT101"]}, FILE))
    assert "vanishing-gradient" not in names(found)
    assert any("silenced by pyproject.toml: UT101 vanishing-gradient" in n for n in found.notes)
    assert "no-progress" in names(found)  # what it said more of speaks again


def test_all_silenced_is_healthy_by_the_users_word() -> None:
    found = diagnose(SICK, settings=settings_of({"ignore": ["UT101", "UT103", "UT109"]}, FILE))
    assert names(found) == []
    assert found.mechanism == "healthy"


def symptom(*layers: str) -> Symptom:
    seen = tuple(Evidence("dead", path, 0, 1.0, 0.9) for path in layers)
    return Symptom("UT104", "dead-units", layers, 0, seen)


@pytest.mark.parametrize(
    ("ignore", "layers", "left"),
    [
        ("UT104:features.*", ("features.0", "head"), ("head",)),
        ("dead-units:features.*", ("features.0#2", "head"), ("head",)),
        ("UT104:features.*", ("features.0", "features.3"), None),
        ("UT104:other", ("features.0",), ("features.0",)),
        ("UT104", ("features.0", "head"), None),
        ("UT105", ("head",), ("head",)),
        ("UT104:features.*", (), ()),
        ("UT104", (), None),
    ],
)
def test_places(ignore: str, layers: tuple[str, ...], left: tuple[str, ...] | None) -> None:
    notes: list[str] = []
    kept = silenced([symptom(*layers)], settings_of({"ignore": [ignore]}, FILE), notes)
    assert [s.layers for s in kept] == ([] if left is None else [left])
    assert bool(notes) == (left != layers)
    assert all(e.layer in left for s in kept for e in s.evidence if left)


@pytest.mark.parametrize("name", LIMITS)
def test_every_limit_is_read_by_a_rule(name: str) -> None:
    """A name that no rule asks for would be taken and do nothing."""
    folder = Path(own.__file__).parent / "symptoms"
    texts = [path.read_text(encoding="utf-8") for path in folder.glob("*.py")]
    assert any(f'record.limit("{name}"' in text for text in texts)


def test_a_limit_moves_the_verdict_and_is_said() -> None:
    wide = {"vanishing-decades": 50, "vanishing-per-layer": 3.0}
    found = diagnose(SICK, settings=settings_of({"limits": wide}, FILE))
    assert "vanishing-gradient" not in names(found)
    assert any(
        "limit vanishing-decades is 50 by pyproject.toml, 3 unless" in n for n in found.notes
    )
    tight = settings_of({"limits": {"vanishing-decades": 0.5}}, FILE)
    mild = records.record_with(0.9, stuck=True)
    assert "vanishing-gradient" not in names(diagnose(mild))
    (spoken,) = [s for s in diagnose(mild, settings=tight).symptoms if s.id == "UT101"]
    assert spoken.evidence[0].limit == 0.5


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"ignore": ["UT999"]}, r"UT999.* is unknown.*UT101"),
        ({"ignore": ["ded-units"]}, "did you mean dead-units"),
        ({"ignore": "UT104"}, "no list of ids"),
        ({"limits": {"dead": 0.9}}, "limit='dead' is unknown"),
        ({"limits": {"dead-share": 1.5}}, "above 0 and at most 1"),
        ({"limits": {"dead-share": True}}, "no limit"),
        ({"limits": [1]}, "no table"),
        ({"ignores": []}, "did you mean ignore"),
    ],
)
def test_mistakes_are_told(table: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        settings_of(table, FILE)
    assert FILE in str(caught.value)


def test_nothing_set_changes_nothing() -> None:
    assert diagnose(SICK, settings=Settings()) == diagnose(SICK)
