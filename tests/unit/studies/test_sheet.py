"""The sheets of the activations: facts, a measured factor, and the studies' verdicts."""

import pytest

from undertow.api.activations import activations, activations_text
from undertow.core.errors import UsageError


def test_facts_and_measured_factor_meet() -> None:
    relu, sigmoid = activations(("relu", "sigmoid"))
    assert relu.gain == pytest.approx(2**0.5)
    assert relu.variance == pytest.approx(0.5 - 1 / (2 * 3.14159265), abs=1e-6)
    assert relu.gradient_factor == pytest.approx(1.0, abs=0.05)
    assert sigmoid.gradient_factor == pytest.approx(sigmoid.gain * 0.0448**0.5, rel=0.05)
    assert relu.dead_at_start is not None
    assert sigmoid.dead_at_start is None


def test_pros_and_cons_are_verdicts() -> None:
    (sigmoid,) = activations(("sigmoid",), depth=3)
    judged = {j.claim: j for j in sigmoid.judged}
    assert judged["F2"].verdict == "refuted"
    assert {"F3", "F4", "F5", "F6", "F7", "F8"} <= set(judged)
    assert (judged["F3"].side, judged["F8"].side, judged["F2"].side) == ("pro", "con", "fact")
    text = activations_text((sigmoid,))
    assert "●" in text
    assert "(study zero-centred)" in " ".join(text.split())
    assert activations_text((sigmoid,), ascii_only=True).isascii()


def test_all_thirteen_have_a_cost_and_a_verdict() -> None:
    found = activations(depth=2)
    assert len(found) == 13
    assert all(s.of_conv > 0 and s.judged for s in found)
    assert "over 2 layers" in activations_text(found[:1])
    lines = activations_text(found).splitlines()
    assert max(map(len, lines)) <= 100
    assert all(any(s.slope_formula in line for line in lines) for s in found)


def test_the_curve_is_the_function_and_its_slope() -> None:
    (tanh,) = activations(("tanh",), depth=2)
    for (a, fa, _), (x, _, slope), (b, fb, _) in zip(
        tanh.curve, tanh.curve[1:], tanh.curve[2:], strict=False
    ):
        assert x == pytest.approx((a + b) / 2)
        assert slope == pytest.approx((fb - fa) / (b - a), abs=0.01)


def test_an_unknown_activation_is_told() -> None:
    with pytest.raises(UsageError, match="did you mean relu"):
        activations(("rellu",))
