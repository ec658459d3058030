"""Residual branches of any module, found in its graph, and set to start at 0."""

import operator
from typing import Any

import torch
from torch import fx, nn

from undertow.core.errors import UsageError
from undertow.nn import norm
from undertow.nn.blocks import skipped
from undertow.nn.init import WEIGHTED
from undertow.nn.skip import Block
from undertow.nn.skip import zero_gamma as of_blocks

ADDS = (operator.add, operator.iadd, torch.add)
METHODS = ("add", "add_")


def zero_gamma(net: nn.Module) -> tuple[str, ...]:
    """Set to 0 what scales every residual branch last, in place; the paths.

    Our own blocks say where that is (`nn.skip`). In a foreign module the additions of its traced
    graph are read: of both operands the branch is the one with more layers behind it, and the
    last norm or layer of it is set to 0. A norm's scale where one ends the branch, else the
    layer's weight and bias (Goyal et al. 2017, sec. 5.1).

    Raises:
        UsageError: no residual branch, or a module whose graph cannot be traced.
    """
    own = any(isinstance(m, Block) and m.branch_end() is not None for m in net.modules())
    paths = of_blocks(net) if own else (*_of_hooks(net), *_of_graph(net))
    if not paths:
        raise UsageError(
            "no residual branch was found: zero-gamma starts branches at 0; add skips first"
        )
    return paths


def _of_hooks(net: nn.Module) -> list[str]:
    """The last layer of every block that a skip was put over afterwards."""
    ends = []
    for path, block in net.named_modules():
        scaling = [(p, m) for p, m in block.named_modules() if _scales(m)]
        if skipped(block) and scaling:
            name, module = scaling[-1]
            _zero(module)
            ends.append(".".join(part for part in (path, name) if part))
    return ends


def _of_graph(net: nn.Module) -> list[str]:
    if any(skipped(m) for m in net.modules()):
        return []
    try:
        graph = fx.Tracer().trace(net)
    except Exception as error:  # tracing runs the user's own forward on stand-ins
        raise UsageError(
            f"the graph of {type(net).__name__} cannot be traced ({type(error).__name__}: {error});"
            " set the last norm's weight of each residual branch to 0 by hand"
        ) from error
    parts = dict(net.named_modules())
    ends = [end for node in graph.nodes if _adds(node) and (end := _branch_end(node, parts))]
    for path in ends:
        _zero(parts[path])
    return list(dict.fromkeys(ends))


def _adds(node: fx.Node) -> bool:
    called = node.op == "call_function" and node.target in ADDS
    return called or (node.op == "call_method" and node.target in METHODS)


def _branch_end(node: fx.Node, parts: dict[str, nn.Module]) -> str | None:
    """The last scaling module of the addition's longer operand; None where both are as long."""
    chains = [_chain(arg, parts) for arg in node.args[:2] if isinstance(arg, fx.Node)]
    if len(chains) != len(METHODS):
        return None
    shared = set(chains[0]) & set(chains[1])
    own = [[path for path in chain if path not in shared] for chain in chains]
    short, long = sorted(own, key=len)
    return long[0] if len(long) > len(short) else None


def _chain(node: fx.Node, parts: dict[str, nn.Module]) -> list[str]:
    """Paths of the scaling modules before a node, the nearest first."""
    found: list[str] = []
    queue, seen = [node], {node}
    while queue:
        at = queue.pop(0)
        path = str(at.target)
        if at.op == "call_module" and path in parts and _scales(parts[path]):
            found.append(path)
        for before in at.all_input_nodes:
            if before not in seen:
                seen.add(before)
                queue.append(before)
    return found


def _scales(module: nn.Module) -> bool:
    kinds = (*WEIGHTED, nn.MultiheadAttention)
    return isinstance(module, kinds) or norm.word_of(module) not in ("", "lrn")


def _zero(module: nn.Module) -> None:
    target: Any = module.out_proj if isinstance(module, nn.MultiheadAttention) else module
    with torch.no_grad():
        for parameter in target.parameters(recurse=False):
            parameter.zero_()
