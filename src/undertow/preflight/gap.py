"""UT206: what evaluation mode changes on a batch, the usual reasons taken away."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from undertow.core.finding import Symptom
from undertow.instrument.facts import found, seen
from undertow.preflight.case import Case, logits

LIMIT = 0.05  # share of the output's norm (diagnosis.md, section 4)
DROPS = (nn.modules.dropout._DropoutNd,)
DROPPING = frozenset(
    {F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout, F.feature_alpha_dropout}
)
Norm = nn.modules.batchnorm._BatchNorm


def eval_gap(case: Case) -> Iterator[Symptom]:
    """A note where outputs of both modes differ though nothing is dropped and norms are settled.

    Batch norm's running statistics are taken anew from the batch, as a fresh net's are not yet of
    any data; dropout is off in both modes.
    """
    if case.pair is None:
        return
    try:
        gap = _gap(case.fresh(), case.pair[0])
    except Exception as error:  # of the user's own forward, which ran in training mode
        said = f"in evaluation mode the net fails: {type(error).__name__}: {error}"
        yield found("eval-gap", said, (), gated=True)
        return
    if gap is not None and gap > LIMIT:
        said = (
            f"in evaluation mode the outputs of the same batch differ by {gap:.0%}, dropout off and"
            f" batch norm settled; limit {LIMIT:.0%}"
        )
        yield found("eval-gap", said, (seen("eval_gap", gap, LIMIT),), gated=True)


@torch.no_grad()
def _gap(net: nn.Module, x: Tensor) -> float | None:
    """‖eval − train‖₂/‖train‖₂ of the outputs; None where they cannot be compared."""
    for module in net.modules():
        if isinstance(module, DROPS):
            module.eval()
    with _Undropped():
        with _settled(net):
            train = logits(net(x))
        net.eval()
        test = logits(net(x))
    if not isinstance(train, Tensor) or not isinstance(test, Tensor) or train.shape != test.shape:
        return None
    size, apart = float(train.double().norm()), float((test - train).double().norm())
    return apart / size if size else None


@contextmanager
def _settled(net: nn.Module) -> Iterator[None]:
    """One pass inside makes a batch norm's running statistics exactly those of its batch."""
    counts: dict[Norm, int] = {}
    norms = [m for m in net.modules() if isinstance(m, Norm) and m.running_var is not None]
    handles = [m.register_forward_pre_hook(partial(_count, counts)) for m in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
    for norm, values in counts.items():
        assert norm.running_var is not None
        norm.running_var.mul_((values - 1) / values)  # torch keeps the unbiased variance


def _count(counts: dict[Norm, int], norm: nn.Module, inputs: tuple[Any, ...]) -> None:
    assert isinstance(norm, Norm)
    counts[norm] = inputs[0].numel() // norm.num_features


class _Undropped(TorchFunctionMode):
    """Inside, dropout called as a function hands on what it is given."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        if func in DROPPING:
            return args[0] if args else named["input"]
        return func(*args, **named)
