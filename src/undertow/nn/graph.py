"""A net as a graph of calls (torch.fx), its batch norms folded into the layers before them."""

import operator
from collections import Counter
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from undertow.nn.activation import Linearity
from undertow.nn.copying import copied
from undertow.nn.entry import fits
from undertow.nn.skip import Add, Drop

THROUGH = (Add, Drop)  # modules without parts that are looked into all the same
NOTHING = (nn.Identity, Linearity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout)
SUMS = (operator.add, operator.iadd, torch.add)
RELUS = (F.relu, F.relu_, torch.relu, torch.relu_)


class _Tracer(fx.Tracer):
    """Looks into modules with parts; one without is a call, whatever its code does."""

    def __init__(self) -> None:
        super().__init__(autowrap_functions=(fits,))

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        childless = next(m.children(), None) is None
        own = super().is_leaf_module(m, module_qualified_name)
        return own or (childless and not isinstance(m, THROUGH))


def folded(net: nn.Module) -> fx.GraphModule | None:
    """A copy in eval mode as a graph, without batch norms and dropout where they can be left out.

    Args:
        net: any module of one input; it is left as it is.

    Returns:
        The graph; None where the code of the net cannot be followed (branches on values, calls
        with other inputs) or has hooks, which a graph would leave out.
    """
    if any(m._forward_hooks or m._forward_pre_hooks for m in net.modules()):
        return None
    try:
        copy = copied(net).eval()
        graph = fx.GraphModule(copy, _Tracer().trace(copy))
    except Exception:  # whatever a user's own code does with a proxy
        return None
    _drop(graph)
    _fold(graph)
    graph.graph.lint()
    graph.recompile()
    return graph


def module_of(graph: fx.GraphModule, node: Any) -> nn.Module | None:
    """The module a node calls; None for other nodes."""
    if not isinstance(node, fx.Node) or node.op != "call_module":
        return None
    return graph.get_submodule(str(node.target))


def is_sum(node: fx.Node) -> bool:
    """Whether a node adds two tensors."""
    if node.kwargs or len(node.args) != 2 or not all(isinstance(a, fx.Node) for a in node.args):
        return False
    named = node.op == "call_method" and node.target in ("add", "add_")
    return named or (node.op == "call_function" and node.target in SUMS)


def is_relu(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Whether a node is a rectifier."""
    if node.op == "call_module":
        return type(module_of(graph, node)) is nn.ReLU
    if node.op == "call_method":
        return node.target in ("relu", "relu_")
    return node.op == "call_function" and node.target in RELUS


def alone(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Whether a node's module is called once and its result used once."""
    calls = Counter(str(n.target) for n in graph.graph.nodes if n.op == "call_module")
    return len(node.users) == 1 and calls[str(node.target)] == 1


def replace(graph: fx.GraphModule, old: fx.Node, new: fx.Node) -> None:
    """Let `new` stand where `old` did."""
    old.replace_all_uses_with(new)
    graph.graph.erase_node(old)


def _drop(graph: fx.GraphModule) -> None:
    for node in list(graph.graph.nodes):
        if isinstance(module_of(graph, node), NOTHING):
            replace(graph, node, node.args[0])


def _fold(graph: fx.GraphModule) -> None:
    for node in list(graph.graph.nodes):
        before: Any = node.args[0] if node.args else None
        layer, norm = module_of(graph, before), module_of(graph, node)
        if layer is None or norm is None or not alone(graph, before):
            continue
        made = _folded(layer, norm)
        if made is not None:
            graph.set_submodule(str(before.target), made)
            replace(graph, node, before)


def _folded(layer: nn.Module, norm: nn.Module) -> nn.Module | None:
    """One module for a layer and the norm behind it; None where that is not the same."""
    stored = getattr(norm, "running_mean", None) is not None
    if not stored or getattr(norm, "weight", None) is None:
        return None
    if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
        return fuse_conv_bn_eval(layer, norm)
    if isinstance(layer, nn.Linear) and isinstance(norm, nn.BatchNorm1d):
        return fuse_linear_bn_eval(layer, norm)
    return None
