"""How a net ends: a softmax, sigmoid or ReLU behind the last layer taken off, for a loss on logits.

Modules are replaced; functions are called past by hooks that travel with copies and pickles.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init
from torch.overrides import TorchFunctionMode
from torch.overrides import _pop_mode as pop
from torch.overrides import _push_mode as push

from undertow.core.errors import UsageError
from undertow.core.record import Layer
from undertow.nn.activation import word_of
from undertow.nn.functional import functions
from undertow.nn.init import initialise
from undertow.nn.layout import put

LOGITS, SIGMOID, OUTPUTS = "logits", "sigmoid", "outputs"
KEPT = ("", "identity")  # words of modules that squash nothing
SHARES = (nn.Softmax, nn.LogSoftmax, nn.Softmax2d, nn.Softmin)
ENDINGS = functions(
    {
        "softmax": ("softmax", "log_softmax"),
        "sigmoid": ("sigmoid", "sigmoid_", "logsigmoid"),
        "relu": ("relu", "relu_", "softplus"),
        "tanh": ("tanh", "tanh_"),
    }
)


def end_with(net: nn.Module, word: str, layers: Sequence[Layer], seed: int = 0) -> None:
    """Let a net end with its last layer's logits, or with their sigmoid; in place.

    Args:
        net: the module.
        word: "logits"; "sigmoid" for a loss that takes probabilities; "logits:N" also replaces the
            last linear layer by one of N outputs; "outputs:N" does nothing but that.
        layers: its rows; one is the head.
        seed: of the weights of a replaced layer.

    Raises:
        UsageError: another word, or a net without a last linear layer where outputs are given.
    """
    kind, _, outputs = word.partition(":")
    if kind not in (LOGITS, SIGMOID, OUTPUTS) or (kind == OUTPUTS and not outputs):
        raise UsageError(f"head={word!r} is no ending; give logits, sigmoid, logits:N or outputs:N")
    heads = [y.path for y in layers if y.role == "head" and "#" not in y.path]
    if not heads:
        raise UsageError("the net has no last layer with weights that could give logits")
    path = heads[-1]
    if outputs:
        _widen(net, path, int(outputs), seed)
    if kind == OUTPUTS:
        return
    ends = _behind(net, path)
    for place in ends:
        put(net, place, nn.Identity())
    if not ends and not isinstance(net, nn.Sequential):
        Bare().put_on(net, net.get_submodule(path))
    if kind == SIGMOID:
        net.register_forward_hook(_squashed)


def _behind(net: nn.Module, head: str) -> list[str]:
    """Paths of what squashes outputs behind the head, by order of registration."""
    names = [p for p, _ in net.named_modules()]
    later = names[names.index(head) + 1 :]
    parts = dict(net.named_modules())
    return [p for p in later if isinstance(parts[p], SHARES) or word_of(parts[p]) not in KEPT]


def _widen(net: nn.Module, path: str, outputs: int, seed: int) -> None:
    old = net.get_submodule(path)
    if not isinstance(old, nn.Linear):
        raise UsageError(f"{path} is a {type(old).__name__}; only a linear head is made wider")
    if old.out_features == outputs:
        return
    made = skip_init(nn.Linear, old.in_features, outputs, bias=old.bias is not None)
    initialise(made, "torch", torch.Generator().manual_seed(seed))
    put(net, path, made.to(old.weight))


def _squashed(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
    return torch.sigmoid(output)


class Bare(TorchFunctionMode):
    """Behind the head's call, softmax, sigmoid, tanh and ReLU hand on what they are given."""

    def __init__(self) -> None:
        super().__init__()
        self._past, self._on = False, 0

    def put_on(self, net: nn.Module, head: nn.Module) -> None:
        """Put the hooks on."""
        net.register_forward_pre_hook(self._enter)
        net.register_forward_hook(self._leave, always_call=True)
        head.register_forward_hook(self._beyond)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), named: Any = None
    ) -> Any:
        """The call as it was, or nothing done."""
        ends = self._past and func in ENDINGS
        return args[0] if ends and isinstance(args[0], Tensor) else func(*args, **(named or {}))

    def _enter(self, module: nn.Module, inputs: Any) -> None:
        self._past = False
        self._on += 1
        push(self)

    def _leave(self, module: nn.Module, inputs: Any, output: Any) -> None:
        if self._on:
            self._on -= 1
            pop()

    def _beyond(self, module: nn.Module, inputs: Any, output: Any) -> None:
        self._past = True
