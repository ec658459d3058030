"""Cheap pools give what torch's give, bit for bit; other pools stay."""

from math import inf, nan

import pytest
import torch
from torch import Tensor, nn

from undertow.nn import pooling
from undertow.nn.graph import folded
from undertow.nn.pooling import SplitPool, WholeMean, cheap_pools


def same(one: Tensor, other: Tensor) -> bool:
    """Bit for bit, and not a number at the same places."""
    return torch.equal(one.nan_to_num(7), other.nan_to_num(7)) and torch.equal(
        one.isnan(), other.isnan()
    )


@pytest.mark.parametrize("large", [0, 1 << 30])
@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_max_pool_by_axes_is_torchs(
    stride: int, ceil: bool, large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pooling, "LARGE", large)
    wanted, made = nn.MaxPool2d(3, stride, 2 - stride, ceil_mode=ceil), SplitPool(stride, ceil)
    draw = torch.Generator().manual_seed(0)
    for height in range(2 if stride == 1 else 3, 10):
        for width, batch in ((3, 4), (4, 1), (7, 1), (8, 4)):
            x = torch.randn(batch, 5, height, width, generator=draw)
            x[0, 0, 1, 1], x[0, 1], x[-1, 2, 0, 0] = nan, -inf, inf
            last = x.to(memory_format=torch.channels_last)
            kept = last.clone()
            for given in (last, last.bfloat16(), x):
                assert same(made(given), wanted(given))
            assert made(last).is_contiguous(memory_format=torch.channels_last)
            assert same(last, kept)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 7), (5, 8)])
def test_the_mean_of_a_map_is_torchs(height: int, width: int) -> None:
    x = torch.randn(3, 6, height, width, generator=torch.Generator().manual_seed(0))
    for given in (x, x.to(memory_format=torch.channels_last)):
        torch.testing.assert_close(WholeMean()(given), nn.AdaptiveAvgPool2d(1)(given))


SWAPPED: list[tuple[nn.Module, type[nn.Module]]] = [
    (nn.MaxPool2d(3, 1, 1), SplitPool),
    (nn.MaxPool2d((3, 3), (2, 2), ceil_mode=True), SplitPool),
    (nn.AdaptiveAvgPool2d((1, 1)), WholeMean),
    (nn.MaxPool2d(3, 1, 1, dilation=2), nn.MaxPool2d),
    (nn.MaxPool2d(3, 2, 1), nn.MaxPool2d),
    (nn.MaxPool2d(3), nn.MaxPool2d),
    (nn.MaxPool2d((3, 2), 1, 1), nn.MaxPool2d),
    (nn.MaxPool2d(2, 2), nn.MaxPool2d),
    (nn.AdaptiveAvgPool2d(2), nn.AdaptiveAvgPool2d),
    (nn.AvgPool2d(3, 1, 1), nn.AvgPool2d),
]


@pytest.mark.parametrize(("pool", "kind"), SWAPPED)
def test_only_pools_it_knows_are_replaced(pool: nn.Module, kind: type[nn.Module]) -> None:
    graph = folded(nn.Sequential(pool, nn.Flatten()))
    assert graph is not None
    cheap_pools(graph)
    assert type(graph.get_submodule("0")) is kind
    x = torch.randn(2, 3, 9, 10, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(graph(x), pool(x).flatten(1))


def test_a_pool_that_gives_its_places_stays() -> None:
    class Places(nn.Module):
        """The largest values times where they are."""

        def __init__(self) -> None:
            super().__init__()
            self.pool = nn.MaxPool2d(3, 1, 1, return_indices=True)

        def forward(self, x: Tensor) -> Tensor:
            """Their product."""
            found = self.pool(x)
            return found[0] * found[1]

    net, x = Places(), torch.randn(1, 2, 5, 5)
    graph = folded(net)
    assert graph is not None
    cheap_pools(graph)
    assert torch.equal(graph(x), net(x))
