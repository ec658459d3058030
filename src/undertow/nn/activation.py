"""Activation modules by word, and the word of any module. Facts are in `core/activation.py`."""

from collections.abc import Callable

import torch
from torch import nn

from undertow.core.activation import LEAK, PRELU_LEAK
from undertow.core.errors import unknown


class Linearity(nn.Identity):
    """The activation f(x) = x; a class of its own, so that a placeholder is not taken for one."""


def _prelu(channels: int) -> nn.Module:
    return nn.PReLU(channels, init=PRELU_LEAK)


# Each is called with the channels it will see (axis 1); only prelu has a parameter for each.
ACTIVATIONS: dict[str, Callable[[int], nn.Module]] = {
    "sigmoid": lambda _: nn.Sigmoid(),
    "tanh": lambda _: nn.Tanh(),
    "relu": lambda _: nn.ReLU(),
    "leaky-relu": lambda _: nn.LeakyReLU(LEAK),
    "prelu": _prelu,
    "elu": lambda _: nn.ELU(),
    "selu": lambda _: nn.SELU(),
    "gelu": lambda _: nn.GELU(),
    "silu": lambda _: nn.SiLU(),
    "mish": lambda _: nn.Mish(),
    "softplus": lambda _: nn.Softplus(),
    "hard-swish": lambda _: nn.Hardswish(),
    "identity": lambda _: Linearity(),
}

_WORDS: dict[type[nn.Module], str] = {
    nn.Sigmoid: "sigmoid",
    nn.Hardsigmoid: "sigmoid",
    nn.Tanh: "tanh",
    nn.Hardtanh: "tanh",
    nn.Softsign: "tanh",
    nn.ReLU: "relu",
    nn.ReLU6: "relu",
    nn.LeakyReLU: "leaky-relu",
    nn.RReLU: "leaky-relu",
    nn.PReLU: "prelu",
    nn.ELU: "elu",
    nn.CELU: "elu",
    nn.SELU: "selu",
    nn.GELU: "gelu",
    nn.SiLU: "silu",
    nn.Mish: "mish",
    nn.Softplus: "softplus",
    nn.Hardswish: "hard-swish",
    Linearity: "identity",
}


def activation(word: str, channels: int = 1) -> nn.Module:
    """A new module of the activation, never in place.

    Args:
        word: one of the 13 activation words.
        channels: size of axis 1 where it will stand; the slopes of prelu (0.25 at start).

    Raises:
        UsageError: an unknown word.
    """
    if word not in ACTIVATIONS:
        raise unknown("act", word, ACTIVATIONS)
    return ACTIVATIONS[word](channels)


def word_of(module: nn.Module) -> str:
    """The activation word of a module, the nearest for a bounded or random form; "" for none.

    ReLU6 is "relu", Hardtanh and Softsign "tanh", Hardsigmoid "sigmoid", CELU "elu", RReLU
    "leaky-relu". `nn.Identity` is "": it stands in for removed layers far more often.
    """
    return _WORDS.get(type(module), "")


def pointwise(module: nn.Module) -> bool:
    """Whether a module of a stranger's own class acts on every entry by itself, and does something.

    It has no parts and no parameters, gives a (4, 4) of the same shape, and every entry of that
    depends on its own entry alone: the transposed input gives the transposed output.
    """
    if type(module).__module__.startswith("torch.") or any(module.children()):
        return False
    if any(True for _ in (*module.parameters(), *module.buffers())):
        return False
    x = torch.linspace(-2, 2, 16).reshape(4, 4)
    try:
        with torch.no_grad(), torch.random.fork_rng([]):
            one, two = module(x.clone()), module(x.T.contiguous())
    except Exception:  # a stranger's module may raise anything on inputs it was not made for
        return False
    whole = isinstance(one, torch.Tensor) and isinstance(two, torch.Tensor)
    return whole and one.shape == x.shape and torch.equal(one.T, two) and not torch.equal(one, x)
