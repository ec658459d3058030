"""The errors a user may see; every message says what was given, what is allowed, what to do."""

from collections.abc import Iterable
from difflib import get_close_matches


class UndertowError(Exception):
    """Any error Undertow raises on purpose; `exit_code` is what the command line ends with."""

    exit_code = 2


class UsageError(UndertowError, ValueError):
    """Wrong use or bad input: a value, a file, data or a model that cannot be taken."""


class EnvironmentFaultError(UndertowError, RuntimeError):
    """The surroundings failed: a full disk, a missing extra, a lost worker."""

    exit_code = 3


def unknown(what: str, value: object, allowed: Iterable[str]) -> UsageError:
    """An error for a word that is not on the list, naming the nearest word that is.

    Args:
        what: the option or kind the value was given for ("norm", "model").
        value: the value received.
        allowed: the words that would have been taken.
    """
    words = list(allowed)
    near = get_close_matches(str(value), words, n=1, cutoff=0.5)
    hint = f" (did you mean {near[0]}?)" if near else ""
    *first, last = words or ["nothing"]
    choice = f"{', '.join(first)} or {last}" if first else last
    return UsageError(f"{what}={str(value)!r} is unknown{hint}; choose {choice}")
