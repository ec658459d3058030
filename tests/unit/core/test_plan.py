"""A plan is edited field by field, once or twice with the same result."""

import pytest

from undertow.core.errors import UsageError
from undertow.core.plan import Choices, Edit, Plan, TrainChoices

PLAN = Plan("conv", Choices(act="sigmoid"), (("depth", 12), ("width", 32), ("pool_at", (4, 8))))


def test_an_edit_sets_its_field_and_no_other() -> None:
    new = PLAN.edit([Edit("act", "relu"), Edit("lr", 0.5), Edit("reset_bias", True)])
    assert new.choices == Choices(act="relu")
    assert new.train == TrainChoices(lr=0.5, reset_bias=True)
    assert (new.sizes, new.model, new.seed) == (PLAN.sizes, "conv", 0)
    assert PLAN.choices.act == "sigmoid"


@pytest.mark.parametrize("edit", [Edit("norm", "batch"), Edit("depth", 3), Edit("l2", 1e-4)])
def test_an_edit_twice_is_an_edit_once(edit: Edit) -> None:
    assert PLAN.edit([edit, edit]) == PLAN.edit([edit])
    assert PLAN.edit([edit]).edit([edit]) == PLAN.edit([edit])


@pytest.mark.parametrize(("depth", "pools"), [(3, ()), (5, (4,)), (8, (4,)), (20, (4, 8))])
def test_a_smaller_depth_drops_the_pools_it_does_not_reach(
    depth: int, pools: tuple[int, ...]
) -> None:
    sizes = dict(PLAN.edit([Edit("depth", depth)]).sizes)
    assert sizes == {"depth": depth, "width": 32, "pool_at": pools}


def test_a_size_that_was_not_given_is_added() -> None:
    assert Plan("mlp").edit([Edit("width", 64)]).sizes == (("width", 64),)


def test_a_wrong_edit_is_refused() -> None:
    with pytest.raises(UsageError, match=r"edit='actt' is unknown \(did you mean act\?\)"):
        PLAN.edit([Edit("actt", "relu")])
    with pytest.raises(UsageError, match="depth='3' is not a whole number"):
        PLAN.edit([Edit("depth", "3")])


def test_get_finds_a_field_wherever_it_stands() -> None:
    assert PLAN.get("act") == "sigmoid"
    assert PLAN.get("momentum") == 0.9
    assert PLAN.get("depth") == 12
    assert PLAN.get("variant") == "published"
    assert PLAN.get("nothing") is None
