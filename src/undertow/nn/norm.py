"""Normalisations by word, for feature maps (N, C, H, W) and for features (N, C)."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from undertow.core.errors import UsageError, unknown
from undertow.core.words import NORMS

EPS = 1e-5  # torch's default for every norm
GROUPS = 32  # Wu & He 2018, sec. 4.1
LRN_SIZE, LRN_ALPHA, LRN_BETA, LRN_K = 5, 1e-4, 0.75, 2.0  # Krizhevsky et al. 2012, sec. 3.3

Factory = Callable[[int, float], nn.Module]  # (channels, eps) -> module

BATCH = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_INSTANCE = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
_KINDS: tuple[tuple[tuple[type[nn.Module], ...], str], ...] = (
    (BATCH, "batch"),
    (_INSTANCE, "instance"),
    ((nn.LayerNorm, nn.RMSNorm), "layer"),
    ((nn.LocalResponseNorm,), "lrn"),
)


def groups_for(channels: int, largest: int = GROUPS) -> int:
    """The largest divisor of `channels` that is at most `largest`; at least 1."""
    return max(g for g in range(1, max(min(largest, channels), 1) + 1) if channels % g == 0)


def local_response_norm(
    size: int = LRN_SIZE,
    alpha: float = LRN_ALPHA,
    beta: float = LRN_BETA,
    k: float = LRN_K,
    *,
    over: str = "sum",
) -> nn.Module:
    """Local response normalisation across channels, in either reading of α.

    Args:
        size: channels in the window, n.
        alpha: α as printed in the source.
        beta: exponent β.
        k: constant k.
        over: "sum": (k + α·Σa²)^β, as the paper prints it (sec. 3.3); "mean": (k + α/n·Σa²)^β,
            as Caffe and torch compute it.

    Raises:
        UsageError: another word for `over`.
    """
    if over not in ("sum", "mean"):
        raise unknown("over", over, ("sum", "mean"))
    scaled = alpha * size if over == "sum" else alpha  # torch divides by size
    return nn.LocalResponseNorm(size, alpha=scaled, beta=beta, k=k)


def factory(word: str, maps: bool = True) -> Factory | None:
    """The factory `(channels, eps) -> module` of a norm; None for "none" and "lrn".

    All have a scale and a shift a channel, so what stands before needs no bias. "lrn" has neither
    and stands after the activation: `local_response_norm`. Features in groups keep two or more
    a group: one alone would always be normalised to 0.

    Args:
        word: a norm word.
        maps: True for (N, C, H, W), False for (N, C).

    Raises:
        UsageError: an unknown word, or one that cannot normalise (N, C).
    """
    if word not in NORMS:
        raise unknown("norm", word, NORMS)
    if word in ("none", "lrn"):
        return None
    if word == "instance" and not maps:
        raise UsageError(
            "norm='instance' needs positions to average over and features have none;"
            " choose none, batch, group or layer"
        )
    return (_OF_MAPS if maps else _OF_FEATURES)[word]


def norm(word: str, channels: int, maps: bool = True, eps: float = EPS) -> nn.Module:
    """A new norm module of `channels`; "none" is the identity.

    Args:
        word: a norm word.
        channels: size of axis 1.
        maps: True for (N, C, H, W), False for (N, C).
        eps: added to the variance.

    Raises:
        UsageError: an unknown word, or one that cannot normalise (N, C).
    """
    if word == "lrn":
        return local_response_norm()
    make = factory(word, maps)
    return nn.Identity() if make is None else make(channels, eps)


class Normed(nn.Sequential):
    """A layer and its norm in the layer's place; what is asked of it is asked of the layer."""

    def __getattr__(self, name: str) -> Any:
        """The layer's own attribute where this has none (`weight`, `in_features`)."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            parts: dict[str, nn.Module] = vars(self).get("_modules", {})
            if name.startswith("_") or len(parts) < 2:  # not built yet: names of its own parts
                raise
            return getattr(parts["0"], name)

    def forward(self, x: Tensor) -> Tensor:
        """The layer, then the norm; (..., C) of a linear layer is normalised as (N, C)."""
        out: Tensor = self[0](x)
        if isinstance(self[0], nn.Linear) and out.ndim > 2:
            flat: Tensor = self[1](out.reshape(-1, out.shape[-1]))
            return flat.reshape(out.shape)
        normed: Tensor = self[1](out)
        return normed


def after(word: str, layer: nn.Module, channels: int) -> nn.Module:
    """A new norm of a linear layer's or a convolution's output of any number of dimensions.

    Raises:
        UsageError: a word that cannot normalise it.
    """
    if isinstance(layer, nn.Linear):
        return norm(word, channels, maps=False)
    size: Any = getattr(layer, "kernel_size", (0, 0))
    dims = len(size)
    made = {1: nn.BatchNorm1d, 3: nn.BatchNorm3d}.get(dims) if word == "batch" else None
    return norm(word, channels) if made is None else made(channels)


def word_of(module: nn.Module) -> str:
    """The norm word of a module; "" for what is no norm. One group is "layer"."""
    if isinstance(module, nn.GroupNorm):
        return "layer" if module.num_groups == 1 else "group"
    return next((word for kinds, word in _KINDS if isinstance(module, kinds)), "")


def _group(channels: int, eps: float) -> nn.Module:
    return nn.GroupNorm(groups_for(channels), channels, eps=eps)


def _group_of_features(channels: int, eps: float) -> nn.Module:
    return nn.GroupNorm(groups_for(channels, min(GROUPS, channels // 2)), channels, eps=eps)


def _layer(channels: int, eps: float) -> nn.Module:
    return nn.GroupNorm(1, channels, eps=eps)


_OF_MAPS: dict[str, Factory] = {
    "batch": nn.BatchNorm2d,
    "group": _group,
    "layer": _layer,
    "instance": lambda channels, eps: nn.InstanceNorm2d(channels, eps=eps, affine=True),
}
_OF_FEATURES: dict[str, Factory] = {
    "batch": nn.BatchNorm1d,
    "group": _group_of_features,
    "layer": _layer,
}
