"""The edits of a plan made on any module, on a copy: activation, norm, initialisation, biases.

Depth and width need the plan of a zoo net: they are refused here, saying so. A skip is put over
blocks that keep their input's shape. Hooks carry what a layout cannot show: functional
activations and skips; they travel with copies and pickles.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import nn

from undertow.core.errors import UsageError
from undertow.core.plan import Edit
from undertow.core.record import Layer
from undertow.nn.activation import activation, word_of
from undertow.nn.blocks import add_skip
from undertow.nn.copying import copied
from undertow.nn.functional import Swap
from undertow.nn.init import WEIGHTED, initialise
from undertow.nn.norm import Normed, after

POSSIBLE = ("act", "norm", "init", "reset_bias", "skip")


def edited(
    net: nn.Module,
    edits: Iterable[Edit],
    layers: Sequence[Layer],
    seed: int = 0,
    blocks: Sequence[str] = (),
) -> nn.Module:
    """A changed copy of any module; weights not touched by an edit are kept.

    Args:
        net: the module; never changed itself.
        edits: of fields act, norm, init, reset_bias, skip.
        layers: the rows a probe found, which say where activations and norms sit.
        seed: of the re-drawn weights.
        blocks: paths a skip may be put over (`nn.blocks.shape_preserving`).

    Raises:
        UsageError: an edit that no module can take without its plan, or no place for it.
    """
    changed = copied(net)
    acts = {y.path: y.act or "identity" for y in layers if "#" not in y.path and y.role != "norm"}
    for e in edits:
        if e.field == "act":
            _swap_activations(changed, str(e.value), layers)
            acts = {p: a if a == "identity" else str(e.value) for p, a in acts.items()}
        elif e.field == "norm":
            _insert_norms(changed, str(e.value), layers)
        elif e.field == "init":
            generator = torch.Generator().manual_seed(seed)
            initialise(changed, str(e.value), generator, acts=acts)
        elif e.field == "reset_bias":
            zero_biases(changed)
        elif e.field == "skip" and e.value != "none":
            _skip(changed, blocks)
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


def scaled_weights(net: nn.Module, factor: float, layers: Sequence[Layer]) -> nn.Module:
    """A copy whose hidden layers' weight matrices are `factor` times as large.

    Raises:
        UsageError: no hidden layer, or one behind a parametrisation.
    """
    changed = copied(net)
    paths = [y.path for y in layers if y.role == "hidden" and "#" not in y.path]
    held = [(path, changed.get_submodule(path)) for path in paths]
    if not held or any(hasattr(module, "parametrizations") for _, module in held):
        raise UsageError("no hidden layer whose weights stand for themselves")
    with torch.no_grad():
        for _, module in held:
            for p in module.parameters(recurse=False):
                if p.ndim > 1:
                    p.mul_(factor)
    return changed


def _skip(net: nn.Module, blocks: Sequence[str]) -> None:
    if not blocks:
        raise UsageError("no block of 1 to 4 layers keeps the shape of its input")
    for path in blocks:
        add_skip(net.get_submodule(path))


def _swap_activations(net: nn.Module, word: str, layers: Sequence[Layer]) -> None:
    each = net.named_modules(remove_duplicate=False)  # one module may stand at several places
    sites = [(p, m) for p, m in each if p and word_of(m) not in ("", "identity")]
    called = [y for y in layers if ":" in y.act_path]  # as functions: no module to replace
    if not sites and not called:
        raise UsageError("no activation that could be replaced")
    if called:
        heads = [y.path for y in layers if y.role == "head" and "#" not in y.path]
        Swap(word).put_on(net, net.get_submodule(heads[0]) if heads else None)
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
        weight = next((p for p in module.parameters(recurse=False) if p.ndim > 1), None)
        if weight is None or not isinstance(module, WEIGHTED):
            raise UsageError(
                f"{layer.path} is a {layer.kind}; a norm is inserted after linear layers and "
                "convolutions"
            )
        added = after(word, module, layer.units).to(weight)
        _put(net, layer.path, Normed(module, added))


def _put(net: nn.Module, path: str, module: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    setattr(net.get_submodule(parent), name, module)
