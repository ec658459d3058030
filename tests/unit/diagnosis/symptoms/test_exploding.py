"""UT102: both sides of every limit."""

import math

import pytest

from tests.cases.records import ADAM, CONST, check, falling, run
from undertow.diagnosis.symptoms.exploding import exploding_gradient


@pytest.mark.parametrize(("gained", "fires"), [(1.49, False), (1.51, True)])
def test_limit_backward(gained: float, fires: bool) -> None:
    grads = [10**gained, *(1.0,) * 19]
    found = exploding_gradient.run(check(grad_l2=grads))
    assert bool(found) is fires
    if fires:
        assert found[0].layers == ("l0",)
        assert found[0].evidence[0].limit == -1.5


@pytest.mark.parametrize(("factor", "fires"), [(1.49, False), (1.51, True)])
def test_limit_a_layer(factor: float, fires: bool) -> None:
    grads = falling(factor, 6)  # below 1.5 decades in all
    grads = tuple(g / grads[-1] for g in grads)
    found = exploding_gradient.run(check(grad_l2=grads, depth=6))
    assert bool(found) is fires


@pytest.mark.parametrize(("depth", "fires"), [(4, False), (5, True)])
def test_the_slope_needs_five_layers(depth: int, fires: bool) -> None:
    grads = [1.6 ** (depth - 1 - i) for i in range(depth)]
    assert bool(exploding_gradient.run(check(grad_l2=grads, depth=depth))) is fires


@pytest.mark.parametrize(("grown", "fires"), [(1.49, False), (1.51, True)])
def test_limit_forward(grown: float, fires: bool) -> None:
    sizes = [10 ** (grown * i / 19) for i in range(20)]
    found = exploding_gradient.run(check(act_rms=sizes))
    assert bool(found) is fires
    if fires:
        assert "l19" in found[0].layers
        assert "l0" not in found[0].layers


@pytest.mark.parametrize(("times", "fires"), [(3.99, False), (4.01, True)])
def test_limit_of_the_first_loss(times: float, fires: bool) -> None:
    assert bool(exploding_gradient.run(check(first_loss=times * CONST))) is fires


def test_first_loss_of_a_regression_has_no_odds() -> None:
    assert not exploding_gradient.run(check(first_loss=1e4, loss="mse"))


def test_bce_compares_with_two_odds() -> None:
    assert exploding_gradient.run(check(first_loss=4.1 * math.log(2), loss="bce"))
    assert not exploding_gradient.run(check(first_loss=3.9 * math.log(2), loss="bce"))


def test_gate_and_rows() -> None:
    assert not exploding_gradient.run(check(learns=True, grad_l2=falling(2.0)))
    assert exploding_gradient.run(run(grad_l2=falling(2.0)))
    assert not exploding_gradient.run(check(learns=None, grad_l2=falling(2.0)))
    assert not exploding_gradient.run(run((CONST,) * 99, grad_l2=falling(2.0)))


def test_not_finite_is_left_to_another_rule() -> None:
    assert not exploding_gradient.run(check(act_rms=[1.0] * 19 + [math.inf]))
    assert not exploding_gradient.run(check(first_loss=math.nan))


def test_a_start_far_above_guessing_that_comes_down_is_a_note() -> None:
    """By the soft steps of Adam; where it is below guessing by the end it is nothing at all."""
    above = tuple(1000 * CONST * 0.95**i for i in range(51))
    (found,) = exploding_gradient.run(
        check(one_batch=above, first_loss=above[0], optimizer=ADAM, learns=True)
    )
    assert found.note
    assert found.says.startswith("the first loss is 2.3e+03, where equal odds give 2.3;")
    below = tuple(v / 100 for v in above)
    assert not exploding_gradient.run(
        check(one_batch=below, first_loss=above[0], optimizer=ADAM, learns=True)
    )
