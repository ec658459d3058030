"""Convolutions and linear layers with weights packed for oneDNN, activation and sum fused.

The operators are those torch's own compiler emits on a CPU. They are private: looked up by name,
and whoever uses them compares with the plain net first.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn

from undertow.nn.graph import alone, is_relu, is_sum, module_of, replace
from undertow.nn.pooling import SplitPool, WholeMean, cheap_pools
from undertow.nn.siblings import merge_siblings

OPERATORS = (
    "_convolution_pointwise",
    "_convolution_pointwise_",
    "_linear_pointwise",
    "_reorder_convolution_weight",
    "_reorder_linear_weight",
)
MAPS, PLAIN = 4, "none"


def available() -> bool:
    """Whether this torch has the operators, and a processor for them."""
    mkldnn = torch.backends.mkldnn.is_available()
    return bool(mkldnn) and all(hasattr(torch.ops.mkldnn, name) for name in OPERATORS)


class PackedConv(nn.Module):
    """A convolution, a sum with another map, a rectifier: each where it is switched on."""

    def __init__(self, conv: nn.Conv2d, shape: tuple[int, ...] | None) -> None:
        super().__init__()
        self.conv, self.shape = conv, shape
        self.act = PLAIN
        self.over = False  # the sum is written over the other map
        self.op: Any = None
        self.held: Any = ()

    def pack(self, dtype: torch.dtype, summed: bool) -> None:
        """Lay out the weights for inputs of the shape; nothing is switched on later."""
        conv, size = self.conv, None if self.shape is None else list(self.shape)
        how: Any = (_pair(conv.padding), list(conv.stride), list(conv.dilation), conv.groups)
        weight = conv.weight.detach().to(dtype).contiguous()
        weight = torch.ops.mkldnn._reorder_convolution_weight(weight, *how, size)
        bias = None if conv.bias is None else conv.bias.detach().to(dtype)
        act = None if self.act == PLAIN else self.act
        end: Any = ("add", 1.0, act, [], None) if summed else (self.act, [], "")
        found = torch.ops.mkldnn
        kind = found._convolution_pointwise_ if self.over else found._convolution_pointwise
        self.op = kind.binary if summed else kind.default
        self.held = (weight, bias, *how, *end)
        del self.conv

    def forward(self, x: Tensor, other: Tensor | None = None) -> Tensor:
        """(N, C, H, W) -> (N, C', H', W'), channels last."""
        if other is None:
            return self.op(x, *self.held)
        first = (other, x) if self.over else (x, other)
        return self.op(*first, *self.held)


class PackedLinear(nn.Module):
    """A linear layer and a rectifier."""

    def __init__(self, linear: nn.Linear, dtype: torch.dtype, batch: int | None) -> None:
        super().__init__()
        weight = linear.weight.detach().to(dtype).contiguous()
        self.weight: Any = torch.ops.mkldnn._reorder_linear_weight(weight, batch)
        self.bias: Any = None if linear.bias is None else linear.bias.detach().to(dtype)
        self.act = PLAIN

    def forward(self, x: Tensor) -> Tensor:
        """(..., features) -> (..., outputs)."""
        out: Tensor = torch.ops.mkldnn._linear_pointwise(
            x, self.weight, self.bias, self.act, [], ""
        )
        return out


Packed = (PackedConv, PackedLinear)


def packed(
    graph: fx.GraphModule, dtype: torch.dtype, shapes: Mapping[str, tuple[int, ...]]
) -> fx.GraphModule:
    """Pack the layers of a folded graph, in place, and fuse what follows them.

    Args:
        graph: from `folded`, in fp32.
        dtype: of weights and maps: float32 or bfloat16.
        shapes: path of a layer -> shape of its input, for which its weights are laid out.
    """
    merge_siblings(graph)
    cheap_pools(graph)
    for node in list(graph.graph.nodes):
        made = _packed(module_of(graph, node), dtype, shapes.get(str(node.target)))
        if made is not None:
            graph.set_submodule(str(node.target), made)
    for node in list(graph.graph.nodes):
        if is_relu(graph, node):
            _rectify(graph, node)
        elif is_sum(node):
            _add(graph, node)
    _overwrite(graph)
    for node in graph.graph.nodes:
        layer = module_of(graph, node)
        if isinstance(layer, PackedConv) and layer.op is None:
            layer.pack(dtype, summed=len(node.args) > 1)
    graph.to(dtype)
    graph.delete_all_unused_submodules()
    graph.graph.lint()
    graph.recompile()
    return graph


def _packed(
    layer: nn.Module | None, dtype: torch.dtype, shape: tuple[int, ...] | None
) -> nn.Module | None:
    if type(layer) is nn.Conv2d and layer.padding_mode == "zeros":
        whole = all(isinstance(n, int) for n in layer.padding)
        return PackedConv(layer, shape) if whole else None
    if type(layer) is nn.Linear:
        return PackedLinear(layer, dtype, shape[0] if shape else None)
    return None


def flat(graph: fx.GraphModule) -> fx.GraphModule:
    """Call the packed layers of a graph without looking them up as modules, in place."""
    for node in graph.graph.nodes:
        layer = module_of(graph, node)
        if isinstance(layer, (*Packed, SplitPool, WholeMean)):
            node.op, node.target = "call_function", layer.forward
    graph.recompile()
    return graph


def _rectify(graph: fx.GraphModule, node: fx.Node) -> None:
    """A rectifier becomes the end of the layer before it, where nothing else sees that."""
    before = node.args[0]
    layer = module_of(graph, before)
    assert isinstance(before, fx.Node)
    if isinstance(layer, Packed) and layer.act == PLAIN and alone(graph, before):
        layer.act = "relu"
        replace(graph, node, before)


def _add(graph: fx.GraphModule, node: fx.Node) -> None:
    """A sum becomes the end of the convolution that gives one of its terms."""
    first, second = node.args
    for conv, other in ((second, first), (first, second)):
        layer = module_of(graph, conv)
        assert isinstance(conv, fx.Node)
        free = isinstance(layer, PackedConv) and layer.act == PLAIN and len(conv.args) == 1
        if free and conv is not other and alone(graph, conv):
            with graph.graph.inserting_before(node):
                held: Any = conv.args[0]
                made = graph.graph.call_module(str(conv.target), (held, other))
            replace(graph, node, made)
            graph.graph.erase_node(conv)
            return


def _overwrite(graph: fx.GraphModule) -> None:
    """Write a sum over its other term where that is the last to look at it, and no input."""
    order = {node: place for place, node in enumerate(graph.graph.nodes)}
    for node in graph.graph.nodes:
        layer = module_of(graph, node)
        if not isinstance(layer, PackedConv) or len(node.args) != 2:
            continue
        x, other = node.args
        own = isinstance(module_of(graph, other), PackedConv)
        readers = [isinstance(module_of(graph, user), PackedConv) for user in other.users]
        last = all(order[user] <= order[node] for user in other.users)
        layer.over = own and last and all(readers) and x is not other


def _pair(given: Any) -> list[int]:
    return [given, given] if isinstance(given, int) else list(given)
