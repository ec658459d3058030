"""Blocks of any module that keep their input's shape, and a skip over them."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from undertow.nn.bypass import ends

LARGEST = 4  # layers with weights in a block; a whole trunk is none
MATRIX = 2  # dimensions of a weight


def shape_preserving(net: nn.Module, run: Callable[[nn.Module], object]) -> tuple[str, ...]:
    """Paths of the largest blocks of 1 to 4 layers that map a tensor to one of the same shape.

    Args:
        net: a copy; it is run once.
        run: one forward pass of it.
    """
    seen: dict[str, bool] = {}
    handles = []
    for path, module in net.named_modules():
        if path and 1 <= _layers(module) <= LARGEST:
            handles.append(module.register_forward_hook(_noting(path, seen)))
    try:
        run(net)
    finally:
        for handle in handles:
            handle.remove()
    good = [path for path, same in seen.items() if same]
    return tuple(p for p in good if not any(p.startswith(f"{other}.") for other in good))


def _noting(path: str, seen: dict[str, bool]) -> Callable[..., None]:
    def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        same = (
            bool(inputs)
            and isinstance(inputs[0], Tensor)
            and isinstance(output, Tensor)
            and inputs[0].shape == output.shape
        )
        seen[path] = seen.get(path, True) and same

    return hook


def _layers(module: nn.Module) -> int:
    own = (m.parameters(recurse=False) for m in module.modules())
    return sum(any(p.ndim >= MATRIX for p in held) for held in own)


def add_skip(block: nn.Module) -> None:
    """Add the block's input to its output from now on; by a hook that travels with copies."""
    if not skipped(block):
        block.register_forward_hook(_added)


def skipped(block: nn.Module) -> bool:
    """Whether a skip was put over the block, or a path past it and the one before ends at it."""
    return _added in block._forward_hooks.values() or ends(block)


def _added(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
    both: Tensor = output + inputs[0]
    return both
