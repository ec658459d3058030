"""What a net has made of its input at a stage, read by a hook; the net is not copied or changed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from undertow.core.errors import UsageError, unknown
from undertow.models.alexnet import AlexNet
from undertow.models.googlenet import GoogLeNet
from undertow.models.inception import InceptionV3
from undertow.models.resnet import ResNet
from undertow.models.resnet_cifar import CifarResNet
from undertow.models.vgg import VGG
from undertow.nn.activation import word_of
from undertow.nn.field import Fields, field_of, whole

LAYERS = ("layer1", "layer2", "layer3", "layer4")
ENDS: dict[type[nn.Module], dict[str, str]] = {  # stage -> path of the module that ends it
    ResNet: {"stem": "maxpool", **{name: name for name in LAYERS}},
    CifarResNet: {"stem": "act", **{name: name for name in LAYERS[:3]}},
    GoogLeNet: {"stem": "maxpool2", "3": "inception3b", "4": "inception4e", "5": "inception5b"},
    InceptionV3: {"stem": "maxpool2", "5": "Mixed_5d", "6": "Mixed_6e", "7": "Mixed_7c"},
}


@dataclass(frozen=True, slots=True)
class Features:
    """A stage's output.

    Attributes:
        map: (N, C, H, W), or (N, C) behind a linear layer.
        channels: C.
        stride: input pixels between two positions, one number where the axes agree; () for (N, C).
    """

    map: Tensor
    channels: int
    stride: tuple[int, ...]


class _ReachedError(Exception):
    """Ends a forward pass where its answer is known."""

    def __init__(self, out: Any) -> None:
        super().__init__()
        self.out = out


def stages(net: nn.Module) -> dict[str, str]:
    """Stages of a zoo net, near input first, and the paths of the modules that end them."""
    if isinstance(net, AlexNet | VGG):
        return dict(_columns(net))
    return ENDS.get(type(net), {})


def features(net: nn.Module, x: Tensor, stage: str) -> Features:
    """A stage's output for `x`; the layers behind it do not run, the mode is the net's own.

    Args:
        net: a net of the zoo, or any module.
        x: a batch of inputs.
        stage: a stage's name (`stages`), or the path of any module.

    Raises:
        UsageError: no such stage or path, or a module that did not run or gives no tensor.
    """
    path = stages(net).get(stage, stage)
    if not path or path not in dict(net.named_modules()):
        raise unknown("stage", stage, stages(net) or [p for p, _ in net.named_modules() if p])

    def stop(module: nn.Module, args: Any, out: Any) -> None:
        raise _ReachedError(out)

    handle = net.get_submodule(path).register_forward_hook(stop)
    seen = x.view_as(x)  # the mark of its field stays off the caller's tensor
    try:
        with Fields(seen):
            net(seen)
    except _ReachedError as reached:
        out = reached.out
    else:
        raise UsageError(f"{path} did not run for this input; choose another stage")
    finally:
        handle.remove()
    if not isinstance(out, Tensor):
        raise UsageError(f"{path} gives no tensor; choose another stage")
    field = field_of(out)
    return Features(out, out.shape[1], () if field is None else whole(field.stride))


def _columns(net: AlexNet | VGG) -> Iterator[tuple[str, str]]:
    """conv1 .. conv5 end before the next stage begins; fc6 and fc7 with their activation."""
    parts = list(net.features)
    if isinstance(net, VGG):
        ends = [i for i, part in enumerate(parts) if isinstance(part, nn.MaxPool2d)]
    else:
        starts = [i for i, part in enumerate(parts) if isinstance(part, nn.Conv2d)]
        ends = [i - 1 for i in (*starts[1:], len(parts))]
    yield from ((f"conv{order}", f"features.{end}") for order, end in enumerate(ends, 1))
    acts = [i for i, part in enumerate(net.classifier) if word_of(part)]
    yield from ((f"fc{order}", f"classifier.{end}") for order, end in enumerate(acts, 6))
