"""Pools that cost less than torch's own and give the same, for maps channels last.

Max pools of 3x3 go along one axis, then along the other, and keep no indices.
"""

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from undertow.nn.graph import module_of

LARGE = 90_000  # values of a result; below, the calls cost more than torch's own pool
SIDE = 3  # of a window


class SplitPool(nn.Module):
    """A max pool of 3x3: stride 1 and a border of 1, or stride 2 and no border."""

    def __init__(self, stride: int, ceil: bool) -> None:
        super().__init__()
        self.stride, self.ceil = stride, ceil

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H', W'), bit for bit what the pool gives, NaN included."""
        if x.numel() < LARGE * self.stride**2 or min(x.shape[2:]) < SIDE:
            return F.max_pool2d(x, SIDE, self.stride, 2 - self.stride, ceil_mode=self.ceil)
        x = x.permute(0, 2, 3, 1)
        for axis in (1, 2):
            x = _beside(x, axis) if self.stride == 1 else _thinned(x, axis, self.ceil)
        return x.permute(0, 3, 1, 2)


class WholeMean(nn.Module):
    """The mean of every map, by a pool with a window of its size: one call, not four."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, 1, 1)."""
        return F.avg_pool2d(x, x.shape[2:])


def cheap_pools(graph: fx.GraphModule) -> None:
    """Replace such pools of a graph, in place."""
    for node in graph.graph.nodes:
        pool = module_of(graph, node)
        if type(pool) is nn.MaxPool2d and not pool.return_indices:
            sizes = (pool.kernel_size, pool.stride, pool.padding, pool.dilation)
            for stride in (1, 2):
                wanted = zip(sizes, (SIDE, stride, 2 - stride, 1), strict=True)
                if all(given in (n, (n, n)) for given, n in wanted):
                    graph.set_submodule(str(node.target), SplitPool(stride, pool.ceil_mode))
        elif type(pool) is nn.AdaptiveAvgPool2d and pool.output_size in (1, (1, 1)):
            graph.set_submodule(str(node.target), WholeMean())


def _beside(x: Tensor, axis: int) -> Tensor:
    """The largest of every value and its neighbours along an axis."""
    n = x.shape[axis] - 1
    before, after, out = x.narrow(axis, 0, n), x.narrow(axis, 1, n), torch.empty_like(x)
    torch.maximum(before, after, out=out.narrow(axis, 1, n))
    out.select(axis, 0).copy_(x.select(axis, 0))
    held = out.narrow(axis, 0, n)
    torch.maximum(held, after, out=held)
    return out


def _thinned(x: Tensor, axis: int, ceil: bool) -> Tensor:
    """The largest of every second value and the two after it along an axis."""
    before = (slice(None),) * axis
    even, odd = x[(*before, slice(0, None, 2))], x[(*before, slice(1, None, 2))]
    count = (x.shape[axis] - SIDE + ceil) // 2 + 1
    out = torch.maximum(even.narrow(axis, 0, count), odd.narrow(axis, 0, count))
    n = min(count, even.shape[axis] - 1)  # the last window of an even side lacks its third value
    held = out.narrow(axis, 0, n)
    torch.maximum(held, even.narrow(axis, 1, n), out=held)
    return out
