"""Blocks with one thing changed: the identity is one, a branch of 0 adds nothing."""

import pytest
import torch

from undertow.core.errors import UsageError
from undertow.core.plan import Plan
from undertow.studies.measures import blocks
from undertow.studies.study import Cell, Value


def cell(*given: tuple[str, Value]) -> Cell:
    plan = Plan("mlp", sizes=(("width", 16),))
    return Cell("a", plan, (("blocks", 3), *given), "normal", 0)


def net(*given: tuple[str, Value]) -> blocks.Net:
    return blocks.build(cell(*given), 16, 10)


X = torch.randn(8, 16, generator=torch.Generator().manual_seed(0))


def test_a_cut_block_gives_back_its_input() -> None:
    block = net().parts[0]
    block.cut = True
    assert torch.equal(block(X), X)


def test_branches_that_start_at_0_add_nothing() -> None:
    assert all(torch.equal(b(X), X) for b in net(("zeroed", True), ("order", "pre")).parts)
    found = blocks.gradient(cell(("zeroed", True), ("order", "pre")))
    assert found["decades"] == 0.0


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("identity", X), ("half", X / 2), ("none", 0 * X)],
)
def test_shortcuts(kind: str, expected: torch.Tensor) -> None:
    assert torch.equal(blocks.Shortcut(kind, 16)(X), expected)


def test_an_unknown_shortcut_is_told() -> None:
    with pytest.raises(UsageError, match="shortcut"):
        blocks.Shortcut("highway", 16)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_layers_of_a_block(layers: int) -> None:
    made = net(("layers", layers)).parts[0]
    assert sum(isinstance(m, torch.nn.Linear) for m in made.modules()) == layers


def test_a_bottleneck_is_narrow_inside() -> None:
    made = net(("bottleneck", True), ("layers", 3)).parts[0]
    widths = [m.out_features for m in made.modules() if isinstance(m, torch.nn.Linear)]
    assert widths == [4, 4, 16]


def test_the_global_random_state_is_left_alone() -> None:
    before = torch.random.get_rng_state()
    net()
    assert torch.equal(before, torch.random.get_rng_state())
