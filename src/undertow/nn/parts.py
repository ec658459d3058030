"""The parts of a net in the order they run, near input first, the head last."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from undertow.nn.norm import word_of

HEAD = "head"
AFTER = 1 << 30  # place of a module that does not run for an input in eval mode


@dataclass(frozen=True, slots=True)
class Part:
    """What is frozen and given a rate together.

    Attributes:
        name: a stage, a child's path, or "head".
        modules: paths of the modules without children in it, in the order they run.
        parameters: names as in `named_parameters`; a tied one is of the part nearest the input.
    """

    name: str
    modules: tuple[str, ...]
    parameters: tuple[str, ...]


@torch.no_grad()
def places(net: nn.Module, x: Tensor) -> dict[str, int]:
    """When each module first runs for `x` in eval mode: path -> place in the order.

    Modules that are never called (lists, heads for training only) get the place of the first of
    their own that is, or `AFTER`. Modes are put back; nothing else is changed.
    """
    first: dict[int, int] = {}
    modes = [(m, m.training) for m in net.modules()]
    with ExitStack() as hooks:
        for module in net.modules():

            def seen(m: nn.Module, args: object) -> None:
                first.setdefault(id(m), len(first))

            hooks.callback(module.register_forward_pre_hook(seen).remove)
        try:
            net.eval()(x)
        finally:
            for module, mode in modes:
                module.training = mode
    return {
        path: min((first[id(m)] for m in module.modules() if id(m) in first), default=AFTER)
        for path, module in net.named_modules()
    }


def by_ends(net: nn.Module, x: Tensor, ends: Mapping[str, str]) -> tuple[Part, ...]:
    """Parts by the module that ends each; what runs behind the last, or never, is the head.

    Args:
        net: the module.
        x: a batch of inputs.
        ends: part's name -> path of the module that ends it, near input first.
    """
    at = places(net, x)
    last = {name: _last(at, path) for name, path in ends.items()}

    def part_of(path: str) -> str:
        return next((name for name, end in last.items() if at[path] <= end), HEAD)

    return _gathered(net, at, [*ends, HEAD], {p: part_of(p) for p in _leaves(net)})


def by_children(net: nn.Module, x: Tensor) -> tuple[Part, ...]:
    """Parts of any module: its children in the order they run, the last with weights the head.

    Norms, activations and pools join the part before them; a wrapper around a single child is
    looked into, and so are lists. Children that do not run in eval mode train with the head.
    """
    at = places(net, x)
    children = sorted(_children(net, ""), key=lambda found: at[found[0]])
    ran = [(path, child) for path, child in children if at[path] < AFTER]
    heavy = [path for path, child in ran if _weighs(child)]
    names: dict[str, str] = {path: HEAD for path, _ in children}
    current = heavy[0] if heavy else HEAD
    for path, _ in ran:
        current = path if path in heavy else current
        names[path] = HEAD if not heavy or current == heavy[-1] else current
    if len(heavy) > 1:  # what stands directly before the head, such as dropout, belongs to it
        _join_head(names, [path for path, _ in ran], heavy)
    owner = {
        leaf: next((n for p, n in names.items() if leaf == p or leaf.startswith(f"{p}.")), HEAD)
        for leaf in _leaves(net)
    }
    return _gathered(net, at, [*heavy[:-1], HEAD], owner)


def _join_head(names: dict[str, str], ran: list[str], heavy: list[str]) -> None:
    for path in reversed(ran[: ran.index(heavy[-1])]):
        if path in heavy:
            return
        names[path] = HEAD


def _last(at: Mapping[str, int], path: str) -> int:
    inside = [n for p, n in at.items() if (p == path or p.startswith(f"{path}.")) and n < AFTER]
    return max(inside, default=-1)


def _children(module: nn.Module, prefix: str) -> Iterator[tuple[str, nn.Module]]:
    """Children by path; lists, and a child that alone has weights, are looked into."""
    weighty = [c for c in module.children() if _weighs(c)]
    only = weighty[0] if len(weighty) == 1 else None
    for name, child in module.named_children():
        path = f"{prefix}{name}"
        inside = isinstance(child, nn.ModuleList | nn.ModuleDict)
        alone = child is only and any(_weighs(c) for c in child.children())
        if inside or alone:
            yield from _children(child, f"{path}.")
        else:
            yield path, child


def _weighs(module: nn.Module) -> bool:
    return not word_of(module) and next(module.parameters(), None) is not None


def _leaves(net: nn.Module) -> list[str]:
    return [path for path, m in net.named_modules() if not any(True for _ in m.children())]


def _gathered(
    net: nn.Module, at: Mapping[str, int], names: list[str], owner: Mapping[str, str]
) -> tuple[Part, ...]:
    """The parts; a container's own parameters go with the first of its modules to run."""
    rank = {name: i for i, name in enumerate(names)}
    ordered = sorted(owner, key=lambda leaf: at[leaf])
    held: dict[int, tuple[str, int]] = {}
    for key, p in net.named_parameters(remove_duplicate=False):
        path = key.rpartition(".")[0]
        inside = [
            leaf for leaf in ordered if leaf == path or leaf.startswith(f"{path}." if path else "")
        ]
        place = rank[owner[inside[0]]]
        first, known = held.get(id(p), (key, place))
        held[id(p)] = first, min(place, known)
    return tuple(
        Part(
            name,
            tuple(leaf for leaf in ordered if owner[leaf] == name),
            tuple(key for key, place in held.values() if place == rank[name]),
        )
        for name in names
    )
