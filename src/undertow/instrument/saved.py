"""What a forward pass keeps for the backward pass: bytes, by the module that runs."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks


class Saved:
    """Bytes of each storage that autograd keeps, once, for the innermost module that ran.

    Parameters and buffers are left out: they are there anyway. Storages are told apart as objects:
    on `meta` every address is 0.
    """

    def __init__(self, net: nn.Module) -> None:
        self._paths = {module: path for path, module in net.named_modules()}
        self._stack: list[str] = [""]
        self._seen: dict[int, Any] = {}
        self.by_path: dict[str, int] = {}

    @property
    def total(self) -> int:
        """Bytes in all."""
        return sum(self.by_path.values())

    @contextmanager
    def watching(self, own: Iterable[Tensor]) -> Iterator[None]:
        """Inside, a forward pass is counted; the tensors of `own` are not.

        Args:
            own: parameters and buffers as the pass sees them.
        """
        for tensor in own:
            self._new(tensor)
        handles = [m.register_forward_pre_hook(self._enter) for m in self._paths]
        handles += [m.register_forward_hook(self._leave, always_call=True) for m in self._paths]
        try:
            with saved_tensors_hooks(self._pack, lambda kept: kept), torch.enable_grad():
                yield
        finally:
            for handle in handles:
                handle.remove()
            self._seen.clear()

    def _enter(self, module: nn.Module, args: Any) -> None:
        self._stack.append(self._paths[module])

    def _leave(self, module: nn.Module, args: Any, out: Any) -> None:
        self._stack.pop()

    def _pack(self, tensor: Tensor) -> Tensor:
        if self._new(tensor):
            path = self._stack[-1]
            size = tensor.untyped_storage().nbytes()
            self.by_path[path] = self.by_path.get(path, 0) + size
        return tensor

    def _new(self, tensor: Tensor) -> bool:
        storage = tensor.untyped_storage()
        key = storage._cdata  # the storage object's own; kept alive below so that none is reused
        if key in self._seen:
            return False
        self._seen[key] = storage
        return True
