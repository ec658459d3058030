"""Paths past the layers of a chain, in pre-activation form: He et al. 2016b, fig. 1b.

In a chain of layer, norm, activation, layer, ... the sum of a path is taken before norm and
activation; a path that ended behind an activation would have its slope at every turn.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from undertow.nn.activation import pointwise, word_of
from undertow.nn.init import WEIGHTED
from undertow.nn.norm import Normed
from undertow.nn.norm import word_of as norm_of

PAIR = 2  # layers a path goes past


class Path:
    """Carries what one layer puts out to the one that adds it; travels with copies and pickles."""

    _held: Tensor | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def keep(self, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        """The hook of the first: remembers; what follows may change its own copy in place."""
        self._held = output
        return output.clone()

    def add(self, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        """The hook of the last."""
        held, self._held = self._held, None
        return output if held is None else output + held


def over_chains(net: nn.Module, blocks: Sequence[str]) -> frozenset[str]:
    """Put paths past pairs of the layers among `blocks` that follow one another; those passed.

    Args:
        net: changed in place.
        blocks: paths of what keeps its input's shape.
    """
    passed: set[str] = set()
    for path, parent in net.named_modules():
        if isinstance(parent, nn.Sequential) and not isinstance(parent, Normed):
            for run in _runs(parent, path, frozenset(blocks)):
                _join(net, run)
                passed |= set(run[1:])
    return frozenset(passed)


def ends(module: nn.Module) -> bool:
    """Whether a path past layers ends at this one."""
    return any(
        isinstance(getattr(h, "__self__", None), Path) and h.__name__ == "add"
        for h in module._forward_hooks.values()
    )


def _join(net: nn.Module, run: Sequence[str]) -> None:
    """Paths from the first layer on, each past two layers, the last past one where one is left."""
    stops = [*range(0, len(run), PAIR), *([len(run) - 1] if len(run) % PAIR == 0 else [])]
    for start, end in pairwise(stops):
        path = Path()
        net.get_submodule(run[start]).register_forward_hook(path.keep)
        net.get_submodule(run[end]).register_forward_hook(path.add)


def _runs(parent: nn.Sequential, path: str, blocks: frozenset[str]) -> list[list[str]]:
    """Layers that keep their shape behind one another, each run with the layer ahead of it."""
    runs: list[list[str]] = []
    open_: list[str] = []
    for name, module in parent.named_children():
        own = f"{path}.{name}" if path else name
        if isinstance(module, (*WEIGHTED, Normed)):
            if own not in blocks or not open_:
                runs.append(open_)
                open_ = []
            open_.append(own)
        elif not _between(module):
            runs.append(open_)
            open_ = []
    return [run for run in (*runs, open_) if len(run) > 1]


def _between(module: nn.Module) -> bool:
    """Whether a module may stand between the layers of a chain: it acts on values in place."""
    acts = bool(word_of(module)) or pointwise(module)
    return acts or bool(norm_of(module)) or isinstance(module, nn.modules.dropout._DropoutNd)
