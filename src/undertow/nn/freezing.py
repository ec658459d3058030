"""Frozen is frozen: no gradient, and eval mode whatever `train()` is called later."""

from collections.abc import Collection, Iterable
from hashlib import sha256
from typing import Any

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle


class Still:
    """Modules of a net kept in eval mode by a hook before each of their passes.

    A norm so kept uses its running statistics and does not move them, and a dropout passes all:
    `train()` on the net or on a parent of theirs flips a flag that the hook flips back.
    """

    def __init__(self, net: nn.Module) -> None:
        self._modules = dict(net.named_modules())
        self._held: dict[str, RemovableHandle] = {}

    def keep(self, paths: Collection[str]) -> None:
        """Keep these still and no others; the others go back to the mode of the net itself."""
        whole = {*paths, *self._around(paths)}
        for path in [p for p in self._held if p not in whole]:
            self._held.pop(path).remove()
            self._modules[path].training = self._modules[""].training
        for path in whole - set(self._held):
            module = self._modules[path]
            module.training = False
            self._held[path] = module.register_forward_pre_hook(_still)

    def _around(self, paths: Collection[str]) -> Iterable[str]:
        """Containers all of whose modules are kept: their own code may ask for the mode too."""
        kept = {id(self._modules[path]) for path in paths}
        for path, module in self._modules.items():
            inside = [m for m in module.modules() if not any(True for _ in m.children())]
            if path and module not in inside and all(id(m) in kept for m in inside):
                yield path


def _still(module: nn.Module, args: Any) -> None:
    module.training = False


def digests(net: nn.Module, names: Iterable[str]) -> dict[str, bytes]:
    """SHA-256 of weights and buffers, by the names of the state dict."""
    state = net.state_dict()
    held = {name: state[name].detach().cpu().contiguous().view(-1) for name in names}
    return {name: sha256(v.view(torch.uint8).numpy()).digest() for name, v in held.items()}


def train_only(net: nn.Module, names: Collection[str]) -> None:
    """Let the parameters of these names have gradients, and no others; old gradients go."""
    wanted = {id(p) for name, p in net.named_parameters() if name in names}
    for p in net.parameters():
        p.requires_grad_(id(p) in wanted)
        if id(p) not in wanted:
            p.grad = None
