"""A recipe turns words into parts once, and knows where a bias is needed."""

import pytest
from torch import nn

from undertow.core.errors import UsageError
from undertow.core.plan import Choices
from undertow.nn.recipe import Recipe, head, recipe


def made(norm: str = "none", act: str = "relu", dropout: float = 0.0) -> Recipe:
    return recipe(Choices(act=act, norm=norm, skip="none", dropout=dropout), eps=1e-3)


@pytest.mark.parametrize(
    ("norm", "needs"),
    [("none", True), ("lrn", True), ("batch", False), ("group", False), ("instance", False)],
)
def test_a_bias_is_needed_where_no_norm_shifts(norm: str, needs: bool) -> None:
    assert made(norm).needs_bias is needs


def test_a_norm_is_spliced_or_named() -> None:
    (norm,) = made("batch").norm_layers(4)
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.eps == 1e-3
    assert made("none").norm_layers(4) == ()
    assert type(made("none").norm_or_identity(4)) is nn.Identity
    assert isinstance(made("layer").norm_or_identity(4), nn.GroupNorm)


def test_a_response_norm_stands_apart_from_the_norm() -> None:
    (norm,) = made("lrn").response_layers()
    assert isinstance(norm, nn.LocalResponseNorm)
    assert made("lrn").norm_layers(4) == ()
    assert made("batch").response_layers() == ()


def test_each_site_gets_an_activation_of_its_own() -> None:
    parts = made(act="prelu")
    one, two = parts.act(3), parts.act(3)
    assert one is not two
    assert one.get_parameter("weight").shape == (3,)


def test_a_head_gives_logits_or_features() -> None:
    assert isinstance(head(5, 3), nn.Linear)
    assert isinstance(head(5, 0), nn.Identity)


def test_wrong_choices_are_refused() -> None:
    with pytest.raises(UsageError, match="less than 1"):
        made(dropout=1.0)
    with pytest.raises(UsageError, match="act='relux' is unknown"):
        made(act="relux")
    with pytest.raises(UsageError, match="norm='None' is unknown"):
        recipe(Choices(act="relu", skip="none"))
