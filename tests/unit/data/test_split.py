"""Splits and orders are functions of a seed; statistics are the training part's own."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from undertow.core.errors import UsageError
from undertow.data.arrays import Arrays
from undertow.data.split import batches, hold_back, standardised


def numbered(n: int) -> Arrays:
    """Sample i is i, its label too: what was taken can be read off."""
    return Arrays("n", torch.arange(n, dtype=torch.float32)[:, None], torch.arange(n), n, True)


@given(st.integers(5, 60), st.floats(0.15, 0.85), st.integers(0, 5))
def test_the_parts_are_disjoint_and_make_up_the_whole(n: int, share: float, seed: int) -> None:
    train, held = hold_back(numbered(n), share, seed)
    assert len(held.y) == round(n * share)
    assert sorted([*train.y.tolist(), *held.y.tolist()]) == list(range(n))
    assert torch.equal(held.x[:, 0], held.y.float())


def test_a_split_is_a_function_of_its_seed() -> None:
    first, again, other = (hold_back(numbered(50), 0.2, s)[1].y.tolist() for s in (0, 0, 1))
    assert first == again
    assert first != other


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 20])
def test_what_is_no_share_is_refused(share: float) -> None:
    with pytest.raises(UsageError, match="is no share; give a number between 0 and 1"):
        hold_back(numbered(10), share, 0)


@pytest.mark.parametrize("share", [0.01, 0.99])
def test_an_empty_part_is_refused(share: float) -> None:
    with pytest.raises(UsageError, match="leaves a part empty; give at least 51 samples"):
        hold_back(numbered(5), share, 0)
    assert len(hold_back(numbered(51), share, 0)[1].x) in (1, 50)


@pytest.mark.parametrize("shape", [(40, 3), (40, 3, 4), (40, 3, 2, 5)])
def test_channels_have_mean_0_and_deviation_1_by_the_training_part(shape: tuple[int, ...]) -> None:
    g = torch.Generator().manual_seed(0)
    x = 7 + 5 * torch.randn(shape, generator=g)
    x[:, 2] = 3.0
    data = Arrays("n", x, torch.zeros(40), 0, True)
    train, held = standardised(data.take(torch.arange(30)), data.take(torch.arange(30, 40)))
    over = [d for d in range(x.ndim) if d != 1]
    one = x[:30].double()
    mean, std = one.mean(over, keepdim=True), one.std(over, keepdim=True, correction=0)
    assert torch.allclose(train.x[:].double().mean(over), torch.zeros(3).double(), atol=1e-5)
    spread = train.x[:].double().std(over, correction=0)
    assert spread.tolist() == pytest.approx([1, 1, 0], abs=1e-5)
    assert torch.allclose(held.x[:].double()[:, :2], ((x[30:] - mean) / std)[:, :2], atol=1e-4)
    assert torch.equal(held.x[:][:, 2], torch.zeros_like(held.x[:][:, 2]))


def test_every_epoch_takes_every_sample_once_in_another_order() -> None:
    taken = [y.tolist() for _, y in batches(numbered(12), 4, 3, 6)]
    one, two = ([i for part in epoch for i in part] for epoch in (taken[:3], taken[3:]))
    assert sorted(one) == sorted(two) == list(range(12))
    assert one != two


def test_orders_are_functions_of_the_seed_and_the_steps_are_counted() -> None:
    def order(seed: int, steps: int) -> list[list[int]]:
        return [y.tolist() for _, y in batches(numbered(10), 3, seed, steps)]

    assert order(0, 7) == order(0, 9)[:7]
    assert order(0, 7) != order(1, 7)
    assert len(order(0, 7)) == 7
    assert order(0, 0) == []


def test_a_last_part_is_left_out_unless_it_is_all_there_is() -> None:
    assert [len(y) for _, y in batches(numbered(10), 4, 0, 4)] == [4, 4, 4, 4]
    assert [sorted(y.tolist()) for _, y in batches(numbered(3), 64, 0, 2)] == [[0, 1, 2]] * 2
