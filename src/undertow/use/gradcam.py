"""Where in an image a class's score comes from. Selvaraju et al., ICCV 2017 (Grad-CAM)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from undertow.core.errors import UsageError, unknown
from undertow.train.evaluation import evaluating

MAPS = 4  # axes of feature maps: (N, C, h, w)
NAMED = 6  # layers an error names
Hook = Callable[[nn.Module, Any, Any], Any]


@dataclass(frozen=True, eq=False)
class Cam:
    """A class activation map of one input.

    Attributes:
        map: (h, w), at least 0, at the layer's resolution, in units of the score.
        layer: path of the module whose maps were weighed.
        target: the class.
        score: its logit.
    """

    map: Tensor
    layer: str
    target: int
    score: float

    def sized(self, size: tuple[int, int]) -> Tensor:
        """The map over the whole input (H, W), bilinear, its largest value 1; all 0 stays 0."""
        wide = interpolate(self.map[None, None], size, mode="bilinear", align_corners=False)[0, 0]
        top = float(wide.max())
        return wide / top if top > 0 else wide


def gradcam(net: nn.Module, x: Tensor, target: int | None = None, layer: str | None = None) -> Cam:
    """The weighted sum of a layer's maps that raises a class's score (eq. 1 and 2).

    α_k is the mean over positions of ∂y_c/∂A_k, and the map is ReLU(Σ_k α_k·A_k); y_c is the
    score before the softmax. Weights, buffers, gradients and modes stay as they are.

    Args:
        net: gives logits (1, classes), or (1, 1) for one sigmoid unit, whose class 0 is −logit.
        x: one input, (1, C, H, W).
        target: the class; None: the one predicted.
        layer: path of a module that gives (1, K, h, w); None: the last maps of the size that the
            last convolution has.

    Raises:
        UsageError: no such layer or class, a layer without maps, or a net without convolutions.
    """
    if x.ndim != MAPS or len(x) != 1:
        raise UsageError(f"gradcam takes one input (1, C, H, W), not {tuple(x.shape)}")
    path = last_maps(net, x) if layer is None else layer
    held: list[Tensor] = []
    with evaluating(net), torch.enable_grad(), hooked(net, path, _cut(held)):
        scores = _scores(net(x))
    if not held:
        raise UsageError(f"{path} gives no maps (N, C, h, w) for this input; choose another layer")
    chosen = int(scores.argmax()) if target is None else target
    if not 0 <= chosen < len(scores):
        raise UsageError(f"class {chosen} is none of the {len(scores)}; they count from 0")
    maps = held[-1]
    (slope,) = torch.autograd.grad(scores[chosen], maps, allow_unused=True)
    if slope is None:
        raise UsageError(f"the score does not depend on {path}; choose another layer")
    weighed = (slope.mean((2, 3), keepdim=True) * maps.detach()).sum(1)[0]
    return Cam(weighed.clamp_min(0), path, chosen, float(scores[chosen].detach()))


@torch.no_grad()
def maps_of(net: nn.Module, x: Tensor, layer: str) -> Tensor:
    """A layer's feature maps for one input: (K, h, w).

    Raises:
        UsageError: no such layer, or one without maps.
    """
    held: list[Tensor] = []

    def keep(_module: nn.Module, _args: Any, out: Any) -> None:
        if isinstance(out, Tensor) and out.ndim == MAPS:
            held.append(out.clone())

    with evaluating(net), hooked(net, layer, keep):
        net(x)
    if not held:
        raise UsageError(f"{layer} gives no maps (N, C, h, w) for this input; choose another layer")
    return held[-1][0]


@torch.no_grad()
def last_maps(net: nn.Module, x: Tensor) -> str:
    """Path of the last module whose maps are as large as those of the last convolution.

    Of a residual net that is the sum behind its last block, of VGG the last ReLU.

    Raises:
        UsageError: the net runs no convolution.
    """
    seen: list[tuple[str, bool, tuple[int, ...]]] = []

    def note(path: str) -> Hook:
        def hook(module: nn.Module, _args: Any, out: Any) -> None:
            if isinstance(out, Tensor) and out.ndim == MAPS:
                seen.append((path, isinstance(module, nn.Conv2d), tuple(out.shape[2:])))

        return hook

    handles = [m.register_forward_hook(note(p)) for p, m in net.named_modules() if p]
    try:
        with evaluating(net):
            net(x)
    finally:
        for handle in handles:
            handle.remove()
    size = next((s for _, conv, s in reversed(seen) if conv), None)
    if size is None:
        raise UsageError("the net runs no convolution; Grad-CAM needs maps: name a layer")
    return next(p for p, _, s in reversed(seen) if s == size)


@contextmanager
def hooked(net: nn.Module, path: str, hook: Hook) -> Iterator[None]:
    """A forward hook on the module at a path, removed at the end.

    Raises:
        UsageError: no such path.
    """
    paths = {p: m for p, m in net.named_modules() if p}
    if path not in paths:
        raise _no_layer(path, list(paths))
    handle = paths[path].register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def _no_layer(path: str, paths: list[str]) -> UsageError:
    """A net has too many layers to list: the nearest by name, else the last."""
    if len(paths) <= NAMED:
        return unknown("layer", path, paths)
    near = get_close_matches(path, paths, n=NAMED, cutoff=0.4) or paths[-NAMED:]
    return UsageError(
        f"layer={path!r} is unknown; of the net's {len(paths)} layers choose one as"
        f" {', '.join(near)}; `undertow summary` lists them"
    )


def _cut(held: list[Tensor]) -> Hook:
    """Keeps a layer's maps as the start of the graph; what follows gets a copy to write into."""

    def hook(_module: nn.Module, _args: Any, out: Any) -> Any:
        if not isinstance(out, Tensor) or out.ndim != MAPS:
            return None
        held.append(out.detach().requires_grad_())
        return held[-1].clone()

    return hook


def _scores(out: Any) -> Tensor:
    """Logits (classes,); of one unit (−z, z)."""
    if not isinstance(out, Tensor) or out.ndim != 2:
        raise UsageError("the net gives no logits (N, classes); Grad-CAM needs a class's score")
    return out[0] if out.shape[1] > 1 else torch.cat((-out[0], out[0]))
