"""UT108: the true origin, forward before backward before the loss."""

import math
from dataclasses import replace

import pytest

from tests.cases.records import CONST, check, layers, run
from undertow.diagnosis.engine import diagnose
from undertow.diagnosis.symptoms.nonfinite import non_finite
from undertow.remedies.rank import rank

NAN, INF = math.nan, math.inf


def test_forward_origin_is_the_first_bad_layer_not_the_last() -> None:
    tops = [4.0] * 12 + [INF] * 8
    record = check(act_max=tops, grad_max=NAN, grad_l2=NAN, learns=None)
    (found,) = non_finite.run(record)
    assert found.layers == ("l12",)
    assert found.evidence[0].value == INF
    assert "output at l12 is inf at step 0" in found.says
    assert "largest finite value is 4" in found.says


def test_backward_origin_is_the_bad_layer_nearest_the_loss() -> None:
    grads = [NAN] * 7 + [0.1] * 14
    (found,) = non_finite.run(check(grad_max=grads, grad_l2=grads))
    assert found.layers == ("l6",)
    assert "gradient at l6 is nan" in found.says


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_the_loss_alone(bad: float) -> None:
    (found,) = non_finite.run(run((CONST, 3.0, 9.0, bad)))
    assert (found.since, found.layers) == (3, ())
    (found,) = non_finite.run(check(learns=None, first_loss=bad))
    assert found.since == 0


def test_the_probe_steps() -> None:
    (found,) = non_finite.run(check(one_batch=(CONST, 50.0, NAN)))
    assert found.since == 2
    assert "after 2 steps on one batch" in found.says


def test_large_is_finite() -> None:
    assert not non_finite.run(check(act_max=1e38, first_loss=1e30))
    assert not non_finite.run(check(act_max=[None] * 20))


def test_weights_handed_over_broken_are_the_finding_and_no_mechanism_explains_them() -> None:
    tops = [4.0] * 12 + [NAN] * 8
    rows = tuple(
        replace(y, weight_std=NAN) if y.path == "l12" else y for y in layers(act="relu", w2=2.0)
    )
    record = check(act_max=tops, grad_max=NAN, grad_l2=NAN, learns=None, layers=rows)
    found = diagnose(record)
    assert "the weights of l12 hold NaN" in found.symptoms[0].says
    assert (found.mechanism, found.others, found.causes) == ("healthy", (), ())
    assert rank(found, record) == ()
