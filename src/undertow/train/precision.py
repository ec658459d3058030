"""Numbers of the forward pass: `auto` decided by capability, size and one trial, never by time."""

import copy
import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from undertow.core.errors import EnvironmentFaultError, UsageError, unknown
from undertow.instrument.summary import summary
from undertow.nn.loss import Criterion

WORDS = ("auto", "fp32", "bf16", "fp16")
LARGE = 10_000_000  # multiply-adds of a sample from which bf16 pays: measured, smaller gain nothing
CPU_FLAGS = ("avx512_bf16", "amx_bf16")
TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True)
class Precision:
    """The word that trains, and the three answers that `auto` was decided by (None: not asked)."""

    word: str
    capable: bool | None = None
    large: bool | None = None
    finite: bool | None = None


def resolve(
    word: str, net: nn.Module, batch: tuple[Tensor, Tensor], loss_fn: Criterion
) -> Precision:
    """The precision a net is trained in.

    Args:
        word: auto, fp32, bf16 or fp16.
        net: on its device; it is left as it is.
        batch: a few samples on that device.
        loss_fn: for the one trial step.

    Raises:
        UsageError: an unknown word, or fp16 on a CPU.
        EnvironmentFaultError: the hardware has no bf16.
    """
    if word not in WORDS:
        raise unknown("precision", word, WORDS)
    device = batch[0].device
    if word == "fp16" and device.type == "cpu":
        raise UsageError("precision='fp16' needs a GPU; give bf16, fp32 or auto")
    if word in ("fp32", "fp16"):
        return Precision(word)
    capable = has_bf16(device)
    if word == "bf16":
        if not capable:
            raise EnvironmentFaultError(
                "this processor computes bf16 by emulation only; give --precision fp32"
            )
        return Precision(word, capable)
    if not capable:
        return Precision("fp32", capable)
    large = device.type != "cpu" or _macs(net, batch[0]) >= LARGE
    finite = _finite(net, batch, loss_fn) if large else None
    return Precision("bf16" if large and finite else "fp32", capable, large, finite)


def has_bf16(device: torch.device) -> bool:
    """Whether a device computes bf16 itself; False where nothing says so."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        asked = getattr(torch.cpu, name, None)
        if asked is not None and asked():
            return True
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="ignore")
    except OSError:
        return False
    return any(flag in told for flag in CPU_FLAGS)


def autocast(word: str, device: torch.device) -> Callable[[], AbstractContextManager[object]]:
    """Makes the context of a forward pass in a precision."""
    if word not in TYPES:
        return nullcontext
    return partial(torch.autocast, device.type, dtype=TYPES[word])


def _macs(net: nn.Module, x: Tensor) -> int:
    try:
        return summary(net, tuple(x.shape[1:])).macs
    except (UsageError, RuntimeError, ValueError, TypeError):
        return 0  # a net that cannot be counted is trained in fp32


def _finite(net: nn.Module, batch: tuple[Tensor, Tensor], loss_fn: Criterion) -> bool:
    trial = copy.deepcopy(net).train()
    with torch.random.fork_rng(), torch.autocast(batch[0].device.type, dtype=torch.bfloat16):
        out = trial(batch[0])
    loss = loss_fn(out.float(), batch[1])
    loss.backward()
    grads = [p.grad for p in trial.parameters() if p.grad is not None]
    return math.isfinite(loss.item()) and all(bool(torch.isfinite(g).all()) for g in grads)
