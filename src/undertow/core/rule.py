"""`rule()`: a pure function with its id, title, what it answers, what it needs, its source."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rule(Generic[T]):
    """A named judgement. Calling it runs the function; `run` lists what it yields."""

    id: str
    name: str
    title: str
    needs: frozenset[str]
    answers: frozenset[str]
    source: str
    function: Callable[..., Iterator[T]]

    def __call__(self, *args: Any) -> Iterator[T]:
        """Yield what the rule finds in its arguments."""
        return self.function(*args)

    def run(self, *args: Any) -> tuple[T, ...]:
        """Everything the rule finds, as a tuple."""
        return tuple(self.function(*args))


def rule(
    id: str,
    name: str,
    title: str,
    *,
    needs: Iterable[str] = (),
    answers: Iterable[str] = (),
    source: str = "",
) -> Callable[[Callable[..., Iterator[T]]], Rule[T]]:
    """Wrap a function as a `Rule`; nothing is registered, the lists are written by hand.

    Args:
        id: the stable id ("UT101"), or the cause's word.
        name: the symptom's or the cause's word.
        title: one line for people.
        needs: columns and facts without which the rule cannot speak.
        answers: for a cause, the symptoms it can explain.
        source: paper and section, or the calibration.
    """

    def wrap(function: Callable[..., Iterator[T]]) -> Rule[T]:
        return Rule(id, name, title, frozenset(needs), frozenset(answers), source, function)

    return wrap
