"""Units that never fire, drawn again: their rows alone, all else is kept."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from undertow.core.errors import UsageError
from undertow.core.record import Layer
from undertow.nn.init import WEIGHTED

HALF_OPEN = ("relu", "leaky-relu")  # activations a unit can be dead under, by its sign alone
BIAS = 0.01  # of a revived unit: on the side of firing
ROUNDS = 20  # draws until a unit fires on the batch

Run = Callable[[nn.Module], object]


def revive(net: nn.Module, layers: Sequence[Layer], run: Run, seed: int) -> dict[str, int]:
    """Draw the incoming weights of dead units again, in place, from the input to the output.

    A unit is dead if its pre-activation is at most 0 for every sample and position. Its row gets
    N(0, 2/fan_in) (He et al. 2015, eq. 10) and bias .01; layers with a norm behind are left alone.

    Args:
        net: the module.
        layers: its rows.
        run: a forward pass on inputs that tell.
        seed: of the draws.

    Returns:
        Path -> units revived.
    """
    generator = torch.Generator().manual_seed(seed)
    sites = [y for y in layers if y.act in HALF_OPEN and not y.norm and "#" not in y.path]
    found = {y.path: _layer(net, y.path, run, generator) for y in sites if y.role == "hidden"}
    return {path: n for path, n in found.items() if n}


def _layer(net: nn.Module, path: str, run: Run, generator: torch.Generator) -> int:
    module = net.get_submodule(path)
    if not isinstance(module, WEIGHTED):
        return 0
    dead = first = _dead(net, module, run)
    for _ in range(ROUNDS):
        if not bool(dead.any()):
            break
        _draw(module, dead, generator)
        dead = _dead(net, module, run)
    return int(first.sum())


@torch.no_grad()
def _draw(module: nn.Module, rows: Tensor, generator: torch.Generator) -> None:
    weight, bias = module.weight, module.bias
    assert isinstance(weight, Tensor)
    fan_in = weight[0].numel()
    shape = (int(rows.sum()), *weight.shape[1:])
    fresh = torch.randn(shape, generator=generator) * math.sqrt(2 / fan_in)
    weight[rows] = fresh.to(weight)
    if isinstance(bias, Tensor):
        bias[rows] = BIAS


def _dead(net: nn.Module, module: nn.Module, run: Run) -> Tensor:
    """(units,) whether each unit's output stays at or below 0 in one pass."""
    tops: list[Tensor] = []
    axis = -1 if isinstance(module, nn.Linear) else 1

    def note(_: nn.Module, __: object, out: Tensor) -> None:
        tops.append(out.detach().movedim(axis, 0).flatten(1).amax(1))

    handle = module.register_forward_hook(note)
    try:
        with torch.no_grad():
            run(net)
    finally:
        handle.remove()
    if not tops:
        return torch.zeros(0, dtype=torch.bool)
    return torch.stack(tops).amax(0) <= 0


def noise(net: nn.Module, samples: int = 64, side: int = 32) -> Tensor:
    """Standard normal inputs for a net known by its first layer alone; the first shape it takes.

    Args:
        net: a copy, which is run.
        samples: how many.
        side: pixels a side, and steps of a sequence.

    Raises:
        UsageError: the first layer takes no numbers, or the net takes nothing of its shapes.
    """
    kinds = (*WEIGHTED, nn.Embedding, nn.RNNBase)
    first = next((m for m in net.modules() if isinstance(m, kinds)), None)
    generator = torch.Generator().manual_seed(0)
    shapes = _shapes(first, samples, side)
    for shape in shapes:
        made = torch.randn(shape, generator=generator)
        if _takes(net, made):
            return made
    why = (
        "the network takes none of the shapes tried"
        if shapes
        else ("the first layer takes no plain numbers")
    )
    raise UsageError(
        f"{why}, so no inputs can be made up for it; repair makes this change with your data"
    )


def _shapes(first: Any, samples: int, side: int) -> tuple[tuple[int, ...], ...]:
    """Shapes of inputs a first layer may be meant for, the likeliest first."""
    if isinstance(first, nn.RNNBase):
        return ((samples, side, first.input_size),)
    if isinstance(first, nn.Linear):
        features = first.in_features
        whole = math.isqrt(features)
        maps = ((samples, 1, whole, whole),) if whole * whole == features else ()
        return ((samples, features), (samples, side, features), *maps)
    channels = getattr(first, "in_channels", None)
    if channels is None:
        return ()
    dims = len(getattr(first, "kernel_size", (0, 0)))
    return tuple((samples, channels, *[n] * dims) for n in (side, 8, 28, 64, 224))


@torch.no_grad()
def _takes(net: nn.Module, x: Tensor) -> bool:
    try:
        net(x)
    except Exception:  # whatever a user's own code raises at a shape it is not made for
        return False
    return True
