"""`ut.train`: train a network with the watch on; leaves a run folder."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from undertow.api.auto_fix import AutoFix, asked, fixing, warned
from undertow.api.data import as_data, with_files
from undertow.api.prepare import fitted, one_unit, prepared, split_options
from undertow.api.resume import Again, resumed
from undertow.api.target import source as source_of
from undertow.api.transfer import completed, words
from undertow.api.watched import trained
from undertow.core.plan import Plan
from undertow.core.run import Run
from undertow.data.arrays import Arrays, load
from undertow.train.fit import Job, Limits
from undertow.train.length import COMPLETE
from undertow.train.loggers import Loggers

__all__ = [
    "COMPLETE",
    "Limits",
    "Loggers",
    "completed",
    "fitted",
    "new_folder",
    "one_unit",
    "prepared",
    "resumed",
    "split_options",
    "train",
    "trained",
]

Value = str | int | float | bool | tuple[int, ...] | None
PLAIN = {"model": "cifar_resnet20", "data": "digits", "validation": 0.2, "seed": 0}
UNSET = object()


def train(
    model: str = "cifar_resnet20",
    data: object = "digits",
    *,
    epochs: int | None = None,
    run: str | Path | None = None,
    validation: float = 0.2,
    seed: int = 0,
    resume: str | Path | None = None,
    checkpoint_every: int = 0,
    budget_s: float | None = None,
    workers: int = 0,
    accept_data_change: bool = False,
    side: int | None = None,
    classes: int | None = None,
    variant: str = "published",
    strict: bool = False,
    transform: Callable[[Any], Any] | None = None,
    weights: str | Path | None = None,
    freeze: str | Sequence[str] | None = None,
    unfreeze: str | Mapping[int, str] | None = None,
    auto_fix: str = "off",
    auto_fix_budget_s: float = 300.0,
    loggers: object = None,
    **options: Value,
) -> Run:
    """Train a network on data with the watch on.

    Args:
        model: a zoo name, `module:callable` or `file.py:callable`; without one ResNet-20 for small
            images (He et al. 2016, section 4.2).
        data: `digits`, `synthetic:CxHxW:CLASSES`, a folder of class folders, a CSV of path,label,
            an IDX, CIFAR-binary or `.npz` file; (x, y) tensors, a Dataset with a length, a
            DataLoader, or any iterable of (x, y) batches (read once into memory).
        epochs: passes over the training part; None is 10, or those of the run that goes on.
        run: the run folder; None makes one under `runs/` named by model and time.
        validation: share held back, drawn by the seed; never trained on.
        seed: of weights, order and split.
        resume: the folder of a run that goes on, bit for bit on a CPU; all else is in it, and what
            is given must agree with it, but for the length: epochs or steps, counted from the
            run's start, whichever of the two it was made with.
        checkpoint_every: steps between checkpoints; 0 saves at evaluations alone.
        budget_s: seconds after which it stops at a step's end, resumable.
        workers: processes that read samples.
        accept_data_change: resume although the data are not the same.
        side: pixels a side that images are brought to; None is the model's own.
        classes: of the head; None is the data's (1 for `bce` on two classes).
        variant: of the card, published or paper.
        strict: the first image that cannot be read is an error.
        transform: a pipeline of your own, Pillow image -> tensor (C, H, W), in place of every
            resizing, scaling and augmentation; for image files.
        weights: what to train on from: a published tag of the card, a file or a run. The recipe is
            then, where nothing else is given: the head alone for one epoch, then everything at half
            the rate, .3 times it a stage nearer the input, warm-up, cosine; their own scaling.
        freeze: `body` (all but the head), a stage of the card (up to and including it), `none`, or
            a list of path patterns; norms in it keep their statistics, dropout in it is off.
        unfreeze: what begins to train when, as {1: "layer4", 2: "layer3"} (epochs count from 0; a
            stage and all behind it, or `all`), or `one-stage-per-epoch`.
        auto_fix: `off`; `on` stops at a finding, repairs on the training data and goes on with the
            remedy that was proven; `ask` asks before it is applied, on a terminal.
        auto_fix_budget_s: seconds of one such repair.
        loggers: who else is told at every evaluation: `tensorboard`, `csv` (files in the run
            folder), `none`, an object with `scalars(step, values)` and `close()`, or several in a
            list; None is TensorBoard where it is installed. One that raises is dropped.
        options: choices of the model (act, norm, init, skip, depth, width, pool_at) and of the
            training (lr, optimizer, batch, steps, clip_norm, clip_value, l1, l2, schedule, ...);
            for training on from weights also `layer_decay` (rate of a stage over that of the next
            one to the head), `layer_lr` (lowest, highest), `unfrozen_lr`, `train_norm` and
            `cache_features`.

    Raises:
        UsageError: an unknown model, data or option.
    """
    limits = Limits(checkpoint_every, budget_s, workers)
    data = os.fspath(data) if isinstance(data, os.PathLike) else data
    fix = AutoFix(auto_fix, asked, warned, auto_fix_budget_s, _object(data))
    given = {"epochs": epochs, "weights": weights, "freeze": freeze, "unfreeze": unfreeze}
    options = words({**given, **options})
    options = {name: value for name, value in options.items() if value is not None}
    top: dict[str, Any] = {"model": model, "validation": validation, "seed": seed}
    if resume is not None:
        how = Again(Path(resume), limits, _object(data), accept_data_change)
        return _told(resumed(how, _typed({**top, "data": data, **options})), fix, loggers)
    arrays = fitted(_loaded(data, strict=strict, transform=transform), model, side)
    plan = _planned(top, options, arrays, classes=classes, variant=variant, side=side)
    plan = completed(plan, options, arrays, validation)
    folder = new_folder(model) if run is None else Path(run)
    job = prepared(source_of(plan, arrays), arrays, validation, seed, folder, limits)
    return _told(job, replace(fix, data=arrays if fix.data is not None else None), loggers)


def _told(job: Job, fix: AutoFix, loggers: object) -> Run:
    with Loggers(loggers, job.folder) as out:
        return fixing(job, fix, out.each)


def _planned(top: dict[str, Any], options: dict[str, Value], data: Arrays, **held: Any) -> Plan:
    """The plan of what was given; `held` are other fields of it."""
    choices, training, sizes = split_options(options)
    held["classes"] = one_unit(training.loss, held["classes"], data)
    return Plan(**top, choices=choices, sizes=sizes, train=training, **held)


def _typed(given: dict[str, Any]) -> dict[str, Any]:
    """What is not the signature's own: that must agree with the run which goes on."""
    return {
        name: value
        for name, value in given.items()
        if value != PLAIN.get(name, UNSET) and (name != "data" or isinstance(value, str))
    }


def _object(data: object) -> Arrays | None:
    return None if isinstance(data, str) else as_data(data)


def _loaded(
    data: object, *, strict: bool = False, transform: Callable[[Any], Any] | None = None
) -> Arrays:
    if not isinstance(data, str):
        return as_data(data)
    arrays = load(data)
    return arrays if not strict and transform is None else with_files(arrays, strict, transform)


def new_folder(model: str) -> Path:
    """A run folder that does not exist yet, named by model and time."""
    name = Path(model.split(":")[0]).stem
    return Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
