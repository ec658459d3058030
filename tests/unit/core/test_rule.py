"""A rule is its function with a name: lazy when called, a tuple when run."""

from collections.abc import Iterator

import pytest

from undertow.core.rule import Rule, rule

CALLS: list[int] = []


@rule("UT999", "odd", "Odd numbers", needs=["n"], answers=["odd"], source="Euclid, book VII")
def odd(n: int, most: int) -> Iterator[int]:
    """Every odd number below n, at most `most`."""
    CALLS.append(n)
    yield from range(1, min(n, most), 2)


def test_a_rule_carries_what_it_says_of_itself() -> None:
    assert isinstance(odd, Rule)
    assert (odd.id, odd.name, odd.title) == ("UT999", "odd", "Odd numbers")
    assert (odd.needs, odd.answers) == (frozenset({"n"}), frozenset({"odd"}))
    assert odd.source.startswith("Euclid")


def test_calling_is_lazy_and_running_is_not() -> None:
    CALLS.clear()
    found = odd(7, 99)
    assert CALLS == []
    assert list(found) == [1, 3, 5]
    assert odd.run(7, 4) == (1, 3)
    assert CALLS == [7, 7]


def test_a_rule_cannot_be_changed() -> None:
    with pytest.raises(AttributeError, match="cannot assign"):
        odd.id = "UT000"  # type: ignore[misc]
