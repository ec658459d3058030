"""`ut.evaluate`: what a trained net is worth on data, with the interval of each share."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from undertow.api.data import as_data
from undertow.api.prepare import fitted
from undertow.api.target import CodeBuild
from undertow.core.errors import UsageError
from undertow.core.run import Run
from undertow.data.arrays import Arrays, load
from undertow.report.scores import Scores
from undertow.use.evaluate import How
from undertow.use.evaluate import evaluate as scored
from undertow.use.parts import part_of
from undertow.use.source import Asked, Opened, of_card, opened

__all__ = ["How", "evaluate", "evaluated", "opened_as"]


def evaluate(
    run_or_net: "str | Path | Run | nn.Module",
    data: object = None,
    *,
    weights: str | Path | None = None,
    loss: str | None = None,
    part: str = "auto",
    crops: int = 1,
    precision: str = "fp32",
    names: tuple[str, ...] = (),
    preprocessing: str | None = None,
    transform: Callable[[Any], Any] | None = None,
    batch: int = 0,
) -> Scores:
    """Evaluate a trained net on data: accuracy, classes, calibration, samples of highest loss.

    Args:
        run_or_net: what `ut.train` returned or its folder, a .safetensors or .pth file, a card's
            name or `file.py:callable` (both with `weights`), or a module.
        data: as in `ut.train`; None takes the run's own. Tensors for a module are taken as they
            are: scaled as it wants them.
        weights: a published tag, a file or a run, for a card or a user's own code.
        loss: cross-entropy, bce, mse, l1 or huber; None is the run's. `bce` makes probabilities by
            sigmoid.
        part: test, validation, held-back (of the run's own data), train or all; `auto` is the
            first there is.
        crops: of each image, 1 or 10 (corners, centre, mirrored; their probabilities averaged).
        precision: fp32 or bf16.
        names: of the classes in the order of the outputs, where the net does not hold them.
        preprocessing: a card (`resnet50`, `resnet50:imagenet-v2`) whose images it takes, where the
            net does not say.
        transform: the pipeline of your own that it was trained through.
        batch: samples of a forward pass; 0 is as many as fit 64 MiB.

    Raises:
        UsageError: a net, data or options that do not fit each other.
    """
    if isinstance(run_or_net, Run):
        run_or_net = run_or_net.folder
    made = opened_as(run_or_net, weights, loss, names, preprocessing)
    how = How(crops=crops, precision=precision, transform=transform, batch=batch)
    return evaluated(made, data, part, how)


def opened_as(
    what: str | Path | nn.Module,
    weights: str | Path | None,
    loss: str | None,
    names: tuple[str, ...],
    preprocessing: str | None,
) -> Opened:
    """A net opened with what is said besides, as `evaluate` takes it.

    Raises:
        UsageError: no such net, weights, or card of the preprocessing.
    """
    inputs = None if preprocessing is None else of_card(preprocessing)
    asked = Asked(None, weights, inputs, names, loss, lambda address: CodeBuild(address)(0))
    return opened(what, asked)


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
    if not isinstance(data, str | Path):
        return as_data(data)
    arrays = load(str(data))
    plan = made.plan
    if plan is None or not made.fingerprint:
        return arrays
    return fitted(arrays, plan.model, plan.side)
