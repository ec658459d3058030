"""The edits of a plan made on any module, on a copy: activation, norm, initialisation, biases.

Skips, depth and width need the plan of a zoo net: they are refused here, saying so.
"""

import copy
from collections.abc import Iterable, Sequence

import torch
from torch import nn

from undertow.core.errors import UsageError
from undertow.core.plan import Edit
from undertow.core.record import Layer
from undertow.nn.activation import activation, word_of
from undertow.nn.init import initialise
from undertow.nn.norm import norm

POSSIBLE = ("act", "norm", "init", "reset_bias")


def edited(
    net: nn.Module, edits: Iterable[Edit], layers: Sequence[Layer], seed: int = 0
) -> nn.Module:
    """A changed copy of any module; weights not touched by an edit are kept.

    Args:
        net: the module; never changed itself.
        edits: of fields act, norm, init, reset_bias.
        layers: the rows a probe found, which say where activations and norms sit.
        seed: of the re-drawn weights.

    Raises:
        UsageError: an edit that no module can take without its plan, or no place for it.
    """
    changed = copy.deepcopy(net)
    for e in edits:
        if e.field == "act":
            _swap_activations(changed, str(e.value))
        elif e.field == "norm":
            _insert_norms(changed, str(e.value), layers)
        elif e.field == "init":
            initialise(changed, str(e.value), torch.Generator().manual_seed(seed))
        elif e.field == "reset_bias":
            zero_biases(changed)
        else:
            raise UsageError(
                f"{e.field} cannot be changed on a module without its plan; "
                f"possible are {', '.join(POSSIBLE)}"
            )
    return changed


def zero_biases(net: nn.Module) -> int:
    """Set the bias of every layer with a weight of two or more dimensions to 0; how many."""
    done = 0
    with torch.no_grad():
        for module in net.modules():
            weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
            if (
                isinstance(weight, nn.Parameter)
                and weight.ndim > 1
                and isinstance(bias, nn.Parameter)
            ):
                bias.zero_()
                done += 1
    return done


def _swap_activations(net: nn.Module, word: str) -> None:
    each = net.named_modules(remove_duplicate=False)  # one module may stand at several places
    sites = [(p, m) for p, m in each if p and word_of(m) not in ("", "identity")]
    if not sites:
        raise UsageError(
            "no activation module to replace (functional activations stay as they are)"
        )
    for path, module in sites:
        device = next((p.device for p in module.parameters()), None)
        fresh = activation(word)
        _put(net, path, fresh if device is None else fresh.to(device))


def _insert_norms(net: nn.Module, word: str, layers: Sequence[Layer]) -> None:
    bare = [y for y in layers if y.role == "hidden" and y.act and not y.norm and "#" not in y.path]
    if not bare:
        raise UsageError("no layer that feeds an activation without a norm between them")
    for layer in bare:
        module = net.get_submodule(layer.path)
        dims = {nn.Linear: 1, nn.Conv1d: 1, nn.Conv2d: 2, nn.Conv3d: 3}.get(type(module))
        if dims not in (1, 2) or isinstance(module, nn.Conv1d):
            raise UsageError(
                f"{layer.path} is a {layer.kind}; a norm is inserted after Linear or Conv2d"
            )
        weight = module.get_parameter("weight")
        added = norm(word, layer.units, dims == 2).to(weight)
        _put(net, layer.path, nn.Sequential(module, added))


def _put(net: nn.Module, path: str, module: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    setattr(net.get_submodule(parent), name, module)
