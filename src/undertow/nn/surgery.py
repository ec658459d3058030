"""The edits of a plan made on any module, on a copy: layers, activations, norms, starts, ends.

A skip is put over blocks that keep their input's shape. Hooks carry what a layout cannot show:
functional activations and skips; they travel with copies and pickles.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from undertow.core.errors import UsageError
from undertow.core.plan import Edit, Value
from undertow.core.record import Layer
from undertow.nn.activation import activation, pointwise, word_of
from undertow.nn.auxiliary import tap
from undertow.nn.blocks import add_skip, shape_preserving, skipped
from undertow.nn.bypass import over_chains
from undertow.nn.copying import copied
from undertow.nn.ending import end_with
from undertow.nn.functional import Swap
from undertow.nn.identity_norm import moments, start_as_identity
from undertow.nn.init import WEIGHTED, initialise, lsuv
from undertow.nn.layout import put
from undertow.nn.norm import Normed, after
from undertow.nn.residual import zero_gamma
from undertow.nn.resize import shallower, wider
from undertow.nn.revive import revive

Run = Callable[[nn.Module], object]


Tell = Callable[[str], object]


@dataclass(eq=False)
class _Site:
    """The copy that is changed, its rows as they are by now, and how it is run."""

    net: nn.Module
    layers: Sequence[Layer]
    run: Run | None
    seed: int
    tell: Tell
    keep: bool = False

    def running(self, field: str) -> Run:
        if self.run is None:
            raise UsageError(f"{field} is set by what the layers put out: it needs a batch")
        return self.run


def edited(
    net: nn.Module,
    edits: Iterable[Edit],
    layers: Sequence[Layer],
    seed: int = 0,
    run: Run | None = None,
    tell: Tell = lambda _: None,
    keep: bool = False,
) -> nn.Module:
    """A changed copy of any module; weights not touched by an edit are kept.

    Args:
        net: the module; never changed itself.
        edits: of the fields in POSSIBLE.
        layers: the rows a probe found, which say where activations and norms sit.
        seed: of the re-drawn weights.
        run: one forward pass on real inputs, for skips, LSUV and dead units.
        tell: is told each place where a change was not possible.
        keep: a norm starts as the identity on what `run` shows it, for a net that has learned;
            else anew, for one to be trained from its start, which is what the norm is to change.

    Raises:
        UsageError: an edit that is not of a module, or no place for it.
    """
    site = _Site(copied(net), layers, run, seed, tell, keep)
    for e in sorted(edits, key=lambda e: POSSIBLE.index(e.field) if e.field in POSSIBLE else 0):
        made = EDITS.get(e.field)
        if made is None:
            raise UsageError(
                f"{e.field} is no part of a module; possible are {', '.join(POSSIBLE)}"
            )
        made(site, e.value)
    return site.net


def _act(site: _Site, value: Value) -> None:
    word = str(value)
    _swap_activations(site, word)
    site.layers = [replace(y, act=word if y.act else "") for y in site.layers]


def _norm(site: _Site, value: Value) -> None:
    paths = [y.path for y in site.layers if y.role == "hidden" and "#" not in y.path]
    before = moments(site.net, paths, site.running("norm")) if site.keep else {}
    _insert_norms(site.net, str(value), site.layers, site.tell)
    for path, measured in before.items():
        made = site.net.get_submodule(path)
        if isinstance(made, Normed):
            start_as_identity(made[1], measured)


def _init(site: _Site, value: Value) -> None:
    rows = [y for y in site.layers if "#" not in y.path and y.role != "norm"]
    acts = {y.path: "identity" if y.role == "head" else y.act or "identity" for y in rows}
    initialise(site.net, str(value), torch.Generator().manual_seed(site.seed), acts=acts)
    if value == "lsuv" and site.run is not None:
        lsuv(site.net, site.run)


def _reset_bias(site: _Site, value: Value) -> None:
    if value:
        zero_biases(site.net)


def _revive(site: _Site, value: Value) -> None:
    if value:
        revive(site.net, site.layers, site.running("revive_units"), site.seed)


def _skip(site: _Site, value: Value) -> None:
    if value == "none":
        return
    if any(skipped(m) for m in site.net.modules()):
        return
    blocks = shape_preserving(copied(site.net), site.running("skip"))
    if not blocks:
        raise UsageError("no block of 1 to 4 layers keeps the shape of its input")
    outside = [y.path for y in site.layers if y.role == "hidden" and not _within(y.path, blocks)]
    if outside:
        site.tell(f"no skip over {', '.join(outside)}: the shape changes there")
    passed = over_chains(site.net, blocks)
    for path in blocks:
        if path not in passed:
            add_skip(site.net.get_submodule(path))


def _zero_gamma(site: _Site, value: Value) -> None:
    if value:
        zero_gamma(site.net)


def _aux(site: _Site, value: Value) -> None:
    if value:
        tap(site.net, site.layers, site.seed)


def _head(site: _Site, value: Value) -> None:
    end_with(site.net, str(value), site.layers, site.seed)


def _depth(site: _Site, value: Value) -> None:
    gone = shallower(site.net, site.layers, int(value or 1))
    site.layers = [y for y in site.layers if y.path not in gone]


def _width(site: _Site, value: Value) -> None:
    times = wider(site.net, site.layers, int(value or 1), site.seed)
    try:
        site.running("width")(copied(site.net))
    except (RuntimeError, ValueError, AssertionError, TypeError) as error:
        raise UsageError(f"layers of this net do not just follow one another: {error}") from error
    site.layers = [
        replace(y, units=y.units * times) if y.role != "head" else y for y in site.layers
    ]


EDITS: dict[str, Callable[[_Site, Value], None]] = {  # in the order they are made
    "depth": _depth,
    "width": _width,
    "head": _head,
    "act": _act,
    "init": _init,
    "norm": _norm,
    "skip": _skip,
    "aux": _aux,
    "reset_bias": _reset_bias,
    "revive_units": _revive,
    "zero_gamma": _zero_gamma,
}
POSSIBLE = tuple(EDITS)


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


def _swap_activations(site: _Site, word: str) -> None:
    net, layers = site.net, site.layers
    each = net.named_modules(remove_duplicate=False)  # one module may stand at several places
    sites = [(p, m) for p, m in each if p and _acts(m)]
    called = [y for y in layers if ":" in y.act_path]  # as functions: no module to replace
    if called or not sites:
        heads = [y.path for y in layers if y.role == "head" and "#" not in y.path]
        swap = Swap(word)
        swap.put_on(net, net.get_submodule(heads[0]) if heads else None)
        if site.run is not None and not called:
            site.run(net)
        if not called and not swap.swapped:
            raise UsageError("no activation that could be replaced")
    for path, module in sites:
        device = next((p.device for p in module.parameters()), None)
        fresh = activation(word)
        put(net, path, fresh if device is None else fresh.to(device))


def _insert_norms(net: nn.Module, word: str, layers: Sequence[Layer], tell: Tell) -> None:
    bare = [y for y in layers if y.role == "hidden" and not y.norm and "#" not in y.path]
    sites = [y for y in bare if isinstance(net.get_submodule(y.path), WEIGHTED)]
    fits = [y for y in sites if y.act] or sites  # no activation known: all of them feed some
    left = [f"{y.path} ({y.kind})" for y in bare if y not in fits]
    if not fits and any(y.norm for y in layers if y.role == "hidden"):
        return
    if not fits:
        where = f"; a norm does not fit behind {', '.join(left)}" if left else ""
        raise UsageError(f"no layer that feeds an activation without a norm between them{where}")
    if left:
        tell(f"no norm behind {', '.join(left)}: no linear layer or convolution that feeds one")
    for layer in fits:
        module = net.get_submodule(layer.path)
        weight: Any = module.weight
        put(net, layer.path, Normed(module, after(word, module, layer.units).to(weight)))


def _acts(module: nn.Module) -> bool:
    """Whether a module is an activation: one with a word, or a stranger's that acts as one."""
    return word_of(module) not in ("", "identity") or pointwise(module)


def _within(path: str, blocks: Sequence[str]) -> bool:
    return any(path == b or path.startswith(f"{b}.") for b in blocks)
