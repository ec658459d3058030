"""Errors name the value, the nearest word, the choice, and the code a command ends with."""

import pytest

from undertow.core.errors import EnvironmentFaultError, UndertowError, UsageError, unknown


def test_unknown_names_value_nearest_and_choice() -> None:
    error = unknown("act", "relux", ["sigmoid", "relu", "tanh"])
    assert str(error) == "act='relux' is unknown (did you mean relu?); choose sigmoid, relu or tanh"


def test_unknown_without_a_near_word_gives_no_hint() -> None:
    assert str(unknown("norm", "qqq", ["batch"])) == "norm='qqq' is unknown; choose batch"
    assert str(unknown("norm", 3, [])) == "norm='3' is unknown; choose nothing"


@pytest.mark.parametrize(
    ("kind", "builtin", "code"),
    [(UsageError, ValueError, 2), (EnvironmentFaultError, RuntimeError, 3)],
)
def test_errors_are_builtin_ones_too(
    kind: type[UndertowError], builtin: type[Exception], code: int
) -> None:
    assert issubclass(kind, builtin)
    assert issubclass(kind, UndertowError)
    assert kind("x").exit_code == code
