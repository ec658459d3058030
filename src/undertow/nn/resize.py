"""Fewer or wider layers on any module whose layers follow one another."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from undertow.core.errors import UsageError
from undertow.core.record import Layer
from undertow.nn.init import TRANSPOSED, WEIGHTED, initialise
from undertow.nn.layout import put
from undertow.nn.norm import BATCH, Normed, groups_for


def shallower(net: nn.Module, layers: Sequence[Layer], depth: int) -> tuple[str, ...]:
    """Let all but `depth` hidden layers hand on their input, in place; their paths.

    Only layers that keep the number of units go, the last ones first; each takes its norm and its
    activation with it. Weights of those that stay are kept.

    Raises:
        UsageError: no layer that could go.
    """
    hidden = [y for y in layers if y.role == "hidden" and "#" not in y.path]
    # attention reads the weights of its parts
    inner = [p for p, m in net.named_modules() if isinstance(m, nn.MultiheadAttention)]
    free = [y for y in hidden[1:] if y.path.rpartition(".")[0] not in inner]
    going = [y for y in free if _square(net.get_submodule(y.path)) and ":" not in y.act_path]
    gone = going[::-1][: max(0, len(hidden) - depth)]
    if len(hidden) > depth and not gone:
        raise UsageError(
            "no hidden layer could go: none keeps its input's number of units and has a module "
            "of its own as activation"
        )
    acts = [y.act_path for y in hidden]
    for y in gone:
        put(net, y.path, nn.Identity())
        norm = _norm_behind(layers, y)
        own = [y.act_path] if acts.count(y.act_path) == 1 else []
        for path in (*norm, *own):
            if path:
                put(net, path, nn.Identity())
    return tuple(y.path for y in gone)


def wider(net: nn.Module, layers: Sequence[Layer], width: int, seed: int) -> int:
    """Give every hidden layer so many times its units that the narrowest has `width`; in place.

    Weights are drawn again by torch's default. The factor; 1 where the net is that wide already.

    Raises:
        UsageError: no hidden layer that can be made wider.
    """
    hidden = [y.path for y in layers if y.role == "hidden" and "#" not in y.path]
    sites = [p for p in hidden if isinstance(_core(net.get_submodule(p)), WEIGHTED)]
    if not sites:
        raise UsageError("no hidden linear layer or convolution that could be made wider")
    least = min(int(_core(net.get_submodule(p)).weight.shape[0]) for p in sites)
    times = max(1, -(-width // least))
    if times > 1:
        _widened(net, sites, times, torch.Generator().manual_seed(seed))
    return times


def _widened(net: nn.Module, hidden: list[str], times: int, generator: torch.Generator) -> None:
    first = hidden[0]
    for path, module in list(net.named_modules()):
        core = path in hidden or path.removesuffix(".0") in hidden
        if isinstance(module, TRANSPOSED):
            raise UsageError(f"{path} is a {type(module).__name__}, which is not made wider here")
        if isinstance(module, WEIGHTED):
            ahead = path in (first, f"{first}.0")
            made = _layer(module, 1 if ahead else times, times if core else 1)
            initialise(made, "torch", generator)
            put(net, path, made.to(module.weight))
        elif isinstance(module, (*BATCH, nn.GroupNorm)):
            put(net, path, _norm(module, times))


def _layer(module: Any, times_in: int, times_out: int) -> nn.Module:
    bias = module.bias is not None
    if isinstance(module, nn.Linear):
        sizes = (module.in_features * times_in, module.out_features * times_out)
        return skip_init(nn.Linear, *sizes, bias=bias)
    own = ("kernel_size", "stride", "padding", "dilation", "padding_mode")
    if module.groups != 1:
        raise UsageError("a convolution in groups is not made wider here")
    sizes = (int(module.in_channels) * times_in, int(module.out_channels) * times_out)
    return skip_init(type(module), *sizes, bias=bias, **{k: getattr(module, k) for k in own})


def _norm(module: Any, times: int) -> nn.Module:
    if isinstance(module, nn.GroupNorm):
        channels = module.num_channels * times
        return nn.GroupNorm(groups_for(channels, module.num_groups), channels, eps=module.eps)
    made: nn.Module = type(module)(module.num_features * times, eps=module.eps)
    return made


def _core(module: nn.Module) -> Any:
    return module[0] if isinstance(module, Normed) else module


def _square(module: nn.Module) -> bool:
    core = _core(module)
    weight = getattr(core, "weight", None)
    if not isinstance(core, WEIGHTED) or not isinstance(weight, Tensor):
        return False
    if weight.shape[0] != weight.shape[1]:
        return False
    if isinstance(core, nn.Linear):
        return True
    conv: Any = core
    same = all(s == 1 for s in conv.stride)
    fits = conv.padding == "same" or all(
        2 * p == d * (k - 1)
        for p, d, k in zip(conv.padding, conv.dilation, conv.kernel_size, strict=True)
    )
    return same and fits


def _norm_behind(layers: Sequence[Layer], layer: Layer) -> list[str]:
    """The path of the norm's own row right behind a layer, where it has one."""
    order = list(layers)
    after = order[order.index(layer) + 1 :][:1]
    return [y.path for y in after if y.role == "norm" and not y.path.startswith(f"{layer.path}.")]
