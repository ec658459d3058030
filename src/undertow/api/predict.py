"""`ut.predict`: what a trained net says of images."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from undertow.api.opened import opened, transform_of
from undertow.core.inputs import Inputs
from undertow.core.prediction import Prediction
from undertow.core.run import Run
from undertow.use.explain import Wish, explained
from undertow.use.predict import How, listed, predictions
from undertow.use.source import Opened

__all__ = [
    "How",
    "Opened",
    "Wish",
    "explained",
    "listed",
    "opened",
    "predict",
    "predictions",
    "transform_of",
]


def predict(
    run_or_net: str | Path | Run | nn.Module,
    images: Any,
    *,
    top: int = 5,
    weights: str | Path | None = None,
    model: str | None = None,
    precision: str = "fp32",
    fast: bool = True,
    preprocessing: str | Inputs | None = None,
    size: str | int | tuple[int, ...] | None = None,
    resize: int | None = None,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
    range: tuple[float, ...] | None = None,
    names: tuple[str, ...] = (),
    loss: str | None = None,
    transform: Callable[[Any], Any] | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[Prediction, ...]:
    """What a trained net says of images: one prediction an image, in order.

    Preprocessing and class names are those of the checkpoint. A file that is no image gives a
    prediction with an `error`, and the others go on.

    Args:
        run_or_net: a run (or its folder), a .safetensors or .pth file, a module; with `weights`
            a card's name or `file.py:callable`.
        images: a file, a folder (searched to any depth), an array, a Pillow image, or a list of
            these. uint8 arrays are pixels, (H, W, C) or (N, H, W, C); floats are (C, H, W) or
            (N, C, H, W) in the checkpoint's range (0 to 1 for images), before mean and deviation.
        top: classes told of each image.
        weights: a published tag, a file or a run.
        model: what net a file is of, where it does not say.
        precision: fp32, bf16 or auto; auto takes bf16 for large nets on processors that compute
            it, where no class of the first batch changes: probabilities move by some thousandths.
        fast: False runs the net as it is; else folded, with packed weights, where its outputs
            agree with the net's own on the first batch (1e-4 relative in fp32).
        preprocessing: that of a published file, as `resnet50` or `resnet50:imagenet-v2`.
        size: of an input, where the checkpoint does not say: 224, 3x224x224 or a tuple.
        resize: pixels of the shorter side before the centre is cut.
        mean: of each channel.
        std: of each channel.
        range: what a pixel's 0 and 255 become.
        names: of the classes.
        loss: word: what the outputs mean (`bce` for one unit of a module).
        transform: the user's own pipeline, for a net trained through one.
        tell: told which way the net is run.

    Raises:
        UsageError: no such net or images, or nobody has said how an image becomes an input.
        EnvironmentFaultError: bf16 on a processor that has none.
    """
    source = opened(
        run_or_net,
        weights=weights,
        model=model,
        preprocessing=preprocessing,
        size=size,
        resize=resize,
        mean=mean,
        std=std,
        range=range,
        names=names,
        loss=loss,
    )
    return tuple(predictions(source, images, How(top, precision, fast, transform, tell)))
