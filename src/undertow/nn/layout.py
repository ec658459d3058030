"""Where weights, norms and activations sit in a module, read from its registration alone."""

from dataclasses import replace

from torch import nn

from undertow.core.record import Layer
from undertow.nn.activation import word_of
from undertow.nn.init import WEIGHTED
from undertow.nn.norm import word_of as norm_of


def layout(net: nn.Module) -> tuple[Layer, ...]:
    """One row a layer with weights, in order of registration, the last one as the head.

    `act` and `norm` are those registered behind it and before the next such layer: right for
    modules registered in the order they run, as in `Sequential`. Functional activations are not
    seen; a probe of one pass sees them.
    """
    rows: list[Layer] = []
    for path, module in net.named_modules():
        if isinstance(module, WEIGHTED):
            units = int(module.weight.shape[0])
            rows.append(Layer(path, type(module).__name__, len(rows), units=units))
        elif rows and not rows[-1].act:
            rows[-1] = _with(rows[-1], norm_of(module), word_of(module), path)
    return (*rows[:-1], *(replace(y, role="head") for y in rows[-1:]))


def put(net: nn.Module, path: str, module: nn.Module) -> None:
    """Set the module at a path, in place."""
    parent, _, name = path.rpartition(".")
    setattr(net.get_submodule(parent), name, module)


def _with(row: Layer, norm: str, act: str, path: str) -> Layer:
    at = path if act else row.act_path
    return replace(row, act=act, norm=norm or row.norm, act_path=at)
