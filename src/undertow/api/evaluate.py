"""`ut.evaluate`: what a trained net is worth on data, with the interval of each share."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from undertow.api.data import as_data
from undertow.api.opened import opened, transform_of
from undertow.api.prepare import fitted
from undertow.core.errors import UsageError
from undertow.core.inputs import Inputs
from undertow.core.run import Run
from undertow.data.arrays import Arrays, load
from undertow.report.scores import Scores
from undertow.use.evaluate import How
from undertow.use.evaluate import evaluate as scored
from undertow.use.parts import part_of
from undertow.use.source import Opened

__all__ = ["How", "evaluate", "evaluated", "transform_of"]


def evaluate(
    run_or_net: str | Path | Run | nn.Module,
    data: object = None,
    *,
    part: str = "auto",
    crops: int = 1,
    precision: str = "fp32",
    batch: int = 0,
    weights: str | Path | None = None,
    model: str | None = None,
    preprocessing: str | Inputs | None = None,
    size: str | int | tuple[int, ...] | None = None,
    resize: int | None = None,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
    range: tuple[float, ...] | None = None,
    names: tuple[str, ...] = (),
    loss: str | None = None,
    transform: Callable[[Any], Any] | None = None,
) -> Scores:
    """Evaluate a trained net on data: accuracy, classes, calibration, samples of highest loss.

    Args:
        run_or_net: what `ut.train` returned or its folder, a .safetensors or .pth file, a module,
            `file.py:callable`; with `weights` a card's name.
        data: as in `ut.train`; None takes the run's own. Tensors for a module that says nothing of
            its inputs are taken as they are.
        part: test, validation, held-back (of the run's own data), train or all; `auto` is the
            first there is.
        crops: of each image, 1 or 10 (corners, centre, mirrored; their probabilities averaged).
        precision: fp32 or bf16.
        batch: samples of a forward pass; 0 is as many as fit 64 MiB.
        weights: a published tag, a file or a run.
        model: what net a file is of, where it does not say.
        preprocessing: that of a published file, as `resnet50` or `resnet50:imagenet-v2`.
        size: of an input, where the checkpoint does not say: 224, 3x224x224 or a tuple.
        resize: pixels of the shorter side before the centre is cut.
        mean: of each channel.
        std: of each channel.
        range: what a pixel's 0 and 255 become.
        names: of the classes in the order of the outputs, where the net does not hold them.
        loss: word; None is the run's. `bce` makes probabilities by sigmoid.
        transform: the pipeline of your own that it was trained through.

    Raises:
        UsageError: a net, data or options that do not fit each other.
    """
    made = opened(
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
    how = How(crops=crops, precision=precision, batch=batch, transform=transform)
    return evaluated(made, data, part, how)


def evaluated(made: Opened, data: object, part: str, how: How) -> Scores:
    """The scores of an opened net.

    Args:
        made: the net.
        data: a source, objects, or None for the run's own.
        part: of the data.
        how: crops, precision, batch.

    Raises:
        UsageError: as `evaluate`.
    """
    samples, word, notes = part_of(data_of(made, data), made, part)
    found = scored(made, samples, replace(how, part=word))
    return replace(found, notes=(*notes, *found.notes))


def data_of(made: Opened, data: object = None) -> Arrays:
    """The data given, else those a run was trained on, at the size it was given them.

    Raises:
        UsageError: none given, and the net does not say which; or they cannot be read.
    """
    if data is None:
        data = "" if made.plan is None else made.plan.data
        if not data:
            raise UsageError(f"{made.name} does not say which data it was trained on; give --data")
    if not isinstance(data, str | os.PathLike):
        return as_data(data)
    arrays = load(os.fspath(data))
    plan = made.plan
    if plan is None or not made.fingerprint:
        return arrays
    return fitted(arrays, plan.model, plan.side)
