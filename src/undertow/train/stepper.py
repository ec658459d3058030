"""The optimiser's step at the price of its arithmetic, where nobody listens to it.

On a tiny net `Optimizer.step` is a fifth of a training step: an entry in the profiler, hooks, state
looked up, tensors sorted by device. The kernel below is torch's own and private: it is looked up by
name, and a torch without it steps as ever.
"""

from collections.abc import Callable, Iterable, Sized
from typing import Any

import torch
from torch import Tensor, optim
from torch.optim import Optimizer
from torch.optim import optimizer as base

KERNEL: Any = getattr(torch, "_fused_sgd_", None)
HOOKS = ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")
EVERYWHERE = ("_global_optimizer_pre_hooks", "_global_optimizer_post_hooks")
OPTIONS = ("weight_decay", "momentum", "lr", "dampening", "nesterov", "maximize")

Move = tuple[dict[str, Any], list[Tensor], list[Tensor], list[Tensor]]


def stepper(optimizer: Optimizer) -> Callable[[], object]:
    """What takes a step of the optimiser: its own `step`, or the same bits for less.

    The latter is for torch's SGD in one kernel. Where a hook is set, a momentum buffer is not made
    yet or somebody replaced `step`, it calls that.
    """
    hooks = [getattr(optimizer, n, None) for n in HOOKS]
    hooks += [getattr(base, n, None) for n in EVERYWHERE]
    known = [h for h in hooks if isinstance(h, Sized)]
    if KERNEL is None or len(known) < len(hooks) or not _is_usual(optimizer):
        return lambda: optimizer.step()
    return lambda: _step(optimizer, known)


def _is_usual(optimizer: Optimizer) -> bool:
    """Whether this is torch's own SGD, in one kernel, of parameters of one kind."""
    own = type(optimizer) is optim.SGD and optim.SGD.step.__module__ == optim.SGD.__module__
    groups = optimizer.param_groups
    kinds = {(p.device, p.dtype) for g in groups for p in g["params"]}
    return own and len(kinds) == 1 and all(g["fused"] for g in groups)


def _step(optimizer: Optimizer, hooks: Iterable[Sized]) -> None:
    moves = None if any(hooks) or "step" in vars(optimizer) else _moves(optimizer)
    if moves is None:
        optimizer.step()
        return
    with torch.no_grad():
        for group, params, grads, buffers in moves:
            how = {name: group[name] for name in OPTIONS}
            KERNEL(params, grads, buffers, **how, is_first_step=False)


def _moves(optimizer: Optimizer) -> list[Move] | None:
    """What each group moves by what; None where `step` has yet to make a momentum buffer."""
    found: list[Move] = []
    for group in optimizer.param_groups:
        params = [p for p in group["params"] if p.grad is not None]
        buffers: list[Any] = []
        if group["momentum"]:
            buffers = [optimizer.state[p].get("momentum_buffer") for p in params]
            if any(b is None for b in buffers):
                return None
        if params:
            found.append((group, params, [p.grad for p in params], buffers))
    return found
