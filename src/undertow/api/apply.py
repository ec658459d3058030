"""`ut.apply`: a remedy made on a copy of any network."""

import warnings
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from undertow.core.errors import UsageError, unknown
from undertow.core.finding import Remedy
from undertow.nn.copying import copied
from undertow.nn.layout import layout
from undertow.nn.revive import noise
from undertow.nn.surgery import POSSIBLE, Run, edited
from undertow.remedies import REMEDIES

__all__ = ["apply"]

NEEDS = {  # field of an edit -> what it needs that a network alone has not
    "lr": "the optimiser: set its rate",
    "optimizer": "the optimiser: make another one",
    "warm_up": "the training loop: raise the rate over the first steps",
    "clip_norm": "the training loop: clip between backward() and step()",
    "clip_value": "the training loop: clip between backward() and step()",
    "l1": "the training loop: add l1·sign(w) to the gradients",
    "l2": "the optimiser: set its weight_decay",
    "standardise": "the training data: their mean and deviation must be taken off every input",
    "loss": "the training loop: call another loss",
}
WHERE = "repair and train make this change"


def apply(
    net: nn.Module, remedy: str | Remedy, *, data: Tensor | tuple[Tensor, Any] | None = None
) -> nn.Module:
    """A changed copy of a network; weights that the remedy does not draw again are kept.

    Where a change of several cannot be made at some place, a warning names the place.

    Args:
        net: any module; never changed itself. Its layers are taken in order of registration, and
            where a change depends on what they put out, on standard normal inputs.
        remedy: a word, or a remedy of a report.
        data: inputs, or (inputs, targets), of a net that has learned: in place of the standard
            normal ones, and a norm then starts as the identity on them. Without it a norm starts
            anew, which is right for a net that is to be trained from its start.

    Raises:
        UsageError: an unknown word; a remedy that changes the training and not the net, which
            `repair` does; or one that this net has no place for.
    """
    _can_be_changed(net)
    if not isinstance(remedy, str | Remedy):
        raise UsageError(f"remedy={remedy!r} is none; give a word, as 'he-init', or a Remedy")
    chosen = named(remedy) if isinstance(remedy, str) else remedy
    own = [e for e in chosen.change if e.field in POSSIBLE]
    if not own:
        first = next(iter(chosen.change), None)
        fields = ", ".join(e.field for e in chosen.change) or "nothing by itself"
        needs = NEEDS.get(first.field, "more than a network") if first else "more than a network"
        raise UsageError(f"{chosen.name} changes {fields} and needs {needs}; {WHERE}")
    rows = layout(copied(net))  # looking at a parametrised weight may change its buffers
    x = data[0] if isinstance(data, tuple | list) else data
    if x is not None and not isinstance(x, Tensor):
        raise UsageError(f"data of type {type(x).__name__} are no inputs; give a tensor")
    return edited(net, own, rows, run=_run(net, x), tell=_warn, keep=x is not None)


def _can_be_changed(net: object) -> None:
    """Nothing, where it is a module whose weights have their shapes."""
    if not isinstance(net, nn.Module):
        raise UsageError(f"a {type(net).__name__} is no network; give an nn.Module")
    held = (*net.parameters(), *net.buffers())
    if any(isinstance(t, UninitializedParameter | UninitializedBuffer) for t in held):
        raise UsageError(
            "the network has lazy layers, whose weights have no shape yet; run one batch through"
            " it first"
        )


def _run(net: nn.Module, x: Tensor | None) -> Run:
    made = cache(lambda: noise(copied(net)) if x is None else x)

    @torch.no_grad()
    def run(changed: nn.Module) -> object:
        return changed(made())

    return run


def _warn(said: str) -> None:
    warnings.warn(said, stacklevel=3)


def named(word: str) -> Remedy:
    """The remedy of a word.

    Raises:
        UsageError: no such remedy; names the nearest.
    """
    found = {r.name: r for r in REMEDIES}
    if word not in found:
        raise unknown("remedy", word, found)
    return found[word]
