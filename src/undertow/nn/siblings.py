"""Rectified 1x1 convolutions of one map as one convolution, whose result is split."""

import operator

import torch
from torch import fx, nn
from torch.nn import functional as F

from undertow.nn.graph import alone, is_relu, module_of, replace


def merge_siblings(graph: fx.GraphModule) -> None:
    """Merge them in a folded graph, in place: one call, and the map is read once.

    Only those with a rectifier behind each are merged; a sum is better fused than split.
    """
    families: dict[tuple[fx.Node, bool], list[fx.Node]] = {}
    for node in graph.graph.nodes:
        conv = module_of(graph, node)
        if type(conv) is not nn.Conv2d or not _is_pointwise(conv) or not alone(graph, node):
            continue
        if is_relu(graph, next(iter(node.users))):
            families.setdefault((node.args[0], conv.bias is None), []).append(node)
    for nodes in families.values():
        if len(nodes) > 1:
            _merge(graph, nodes)


def _is_pointwise(conv: nn.Conv2d) -> bool:
    """Whether every position of the result is a linear map of the same position of the input."""
    plain = conv.groups == 1 and conv.padding in ((0, 0), "valid")
    return plain and conv.kernel_size == conv.stride == (1, 1)


def _merge(graph: fx.GraphModule, nodes: list[fx.Node]) -> None:
    convs = [graph.get_submodule(str(node.target)) for node in nodes]
    with torch.no_grad():
        weight = torch.cat([conv.weight for conv in convs])  # type: ignore[misc]
        biased = convs[0].bias is not None
        made = nn.Conv2d(weight.shape[1], len(weight), 1, bias=biased, device="meta")  # no draw
        made.weight = nn.Parameter(weight)
        if biased:
            made.bias = nn.Parameter(torch.cat([conv.bias for conv in convs]))  # type: ignore[misc]
    graph.set_submodule(str(nodes[0].target), made)
    with graph.graph.inserting_after(nodes[0]):
        relu = graph.graph.call_function(F.relu, (nodes[0],))
    with graph.graph.inserting_after(relu):
        widths = [len(conv.weight) for conv in convs]  # type: ignore[arg-type]
        parts = graph.graph.call_method("split_with_sizes", (relu, widths, 1))
    for place, node in enumerate(nodes):
        rectified = next(user for user in node.users if user is not relu)
        with graph.graph.inserting_after(parts):
            part = graph.graph.call_function(operator.getitem, (parts, place))
        replace(graph, rectified, part)
        if place:
            graph.graph.erase_node(node)
