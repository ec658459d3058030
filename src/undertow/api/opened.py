"""A trained net by what a user typed: a run, a card with weights, a file, a module."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from undertow.api.target import CodeBuild, find
from undertow.core.errors import UsageError
from undertow.core.inputs import Inputs
from undertow.core.plan import Plan
from undertow.core.run import Run
from undertow.data.arrays import Arrays
from undertow.data.pixels import edge
from undertow.experiment.pair import Source, build
from undertow.use.source import Asked, Opened, of_card
from undertow.use.source import opened as found

Numbers = tuple[float, ...]
IMAGE, ENDS, ROWS = 3, 2, 2


def opened(
    what: str | Path | Run | nn.Module,
    *,
    weights: str | Path | None = None,
    model: str | None = None,
    variant: str = "published",
    classes: int | None = None,
    preprocessing: str | Inputs | None = None,
    size: str | int | tuple[int, ...] | None = None,
    resize: int | None = None,
    mean: Numbers | None = None,
    std: Numbers | None = None,
    range: Numbers | None = None,
    names: tuple[str, ...] = (),
    loss: str | None = None,
) -> Opened:
    """A trained net, how images become its inputs, its classes and its loss.

    Args:
        what: a run (or its folder), a .safetensors or .pth file, a module; with `weights` a card's
            name or `file.py:callable`.
        weights: a published tag, a file or a run.
        model: what net a file is of, where the file does not say; for nets a user's own code
            builds it says that this code may run.
        variant: of the card.
        classes: outputs of the card's head, where they are not its own.
        preprocessing: `resnet50` or `resnet50:imagenet-v2`: that of a published file.
        size: of an input: 224, 3x224x224, or a tuple.
        resize: pixels of the shorter side before the centre is cut; None: 256/224 of the size,
            and the size itself up to 64 pixels.
        mean: of each channel, subtracted; of values in `range`.
        std: of each channel, divided by.
        range: what a pixel's 0 and 255 become; (0, 1) where `size` is given without it.
        names: of the classes.
        loss: word: what the outputs mean.

    Raises:
        UsageError: not there, damaged, or it does not say what is needed.
    """
    trusted = isinstance(what, Run)
    what = what.folder if isinstance(what, Run) else what
    plan = None
    if isinstance(what, str | Path) and (model or weights is not None):
        name = model or str(what)
        plan = Plan(name, variant=variant, classes=classes)
    code = _build if trusted or _is_code(what if plan is None else plan.model) else None
    asked = Asked(plan, weights, None, names, loss, code)
    made = found(what, asked)
    return replace(made, inputs=_inputs(made, preprocessing, size, resize, mean, std, range))


def _is_code(what: object) -> bool:
    """Whether a word is the address of code that its user asks to be run."""
    return isinstance(what, str) and ":" in what and not Path(what).exists()


def _build(plan: Plan, shape: tuple[int, ...] | None) -> nn.Module:
    """A user's own net with the edits of its plan, seen by an input of its shape."""
    code = CodeBuild(plan.model)
    if not plan.edits or shape is None:
        return code(0)
    x, y = torch.zeros(ROWS, *shape), torch.zeros(ROWS, dtype=torch.long)
    made = Source(None, plan.train, code, edits=plan.edits)
    return build(made, (), Arrays("", x, y, 0, standardise=False), 0)


def transform_of(address: str | None) -> Any:
    """A user's own pipeline by `file.py:name`; None for none."""
    return None if address is None else find(address)


def _inputs(
    made: Opened,
    preprocessing: str | Inputs | None,
    size: str | int | tuple[int, ...] | None,
    resize: int | None,
    mean: Numbers | None,
    std: Numbers | None,
    range: Numbers | None,
) -> Inputs | None:
    """What the checkpoint says, changed by what was typed."""
    how = of_card(preprocessing) if isinstance(preprocessing, str) else preprocessing
    how = how or made.inputs
    typed = (size, resize, mean, std, range)
    if all(v is None for v in typed):
        return how
    if how is None and size is None:
        raise UsageError("--mean, --std, --range and --resize need --size, as --size 224")
    if size is not None:
        how = _sized(_shape(size, how), how)
    assert how is not None
    if resize is not None:
        how = replace(how, border=resize / min(how.size))
    if mean is not None:
        how = replace(how, mean=_each("mean", mean, how.channels))
    if std is not None:
        how = replace(how, std=_each("std", std, how.channels))
    if (how.mean is None) != (how.std is None):
        raise UsageError("--mean and --std go together; give both, one number a channel")
    if how.mean is not None and len(how.mean) != how.channels:
        raise UsageError(
            f"--size {size} has {how.channels} channels and the preprocessing {len(how.mean)};"
            " give --mean and --std too, one number a channel"
        )
    return how if range is None else replace(how, range=_ends(range))


def _shape(size: str | int | tuple[int, ...], how: Inputs | None) -> tuple[int, ...]:
    channels = IMAGE if how is None or not how.image else how.channels
    parts = str(size).split("x") if isinstance(size, str | int) else [str(n) for n in size]
    if not all(p.isdigit() and int(p) > 0 for p in parts) or len(parts) not in (1, IMAGE):
        raise UsageError(f"--size {size} is no input size; give one as 224 or 3x224x224")
    numbers = tuple(int(p) for p in parts)
    return (channels, numbers[0], numbers[0]) if len(numbers) == 1 else numbers


def _sized(shape: tuple[int, ...], how: Inputs | None) -> Inputs:
    if how is None:
        return Inputs(shape, edge((shape[1], shape[2])), (0.0, 1.0))
    return replace(how, shape=shape)


def _each(name: str, values: Numbers, channels: int) -> Numbers:
    if len(values) == 1:
        values = values * channels
    if len(values) != channels or (name == "std" and not all(v > 0 for v in values)):
        kind = "numbers above 0" if name == "std" else "numbers"
        raise UsageError(f"--{name} has {values}; give {channels} {kind}, one a channel")
    return values


def _ends(given: Numbers) -> tuple[float, float]:
    if len(given) != ENDS or not given[0] < given[1]:
        raise UsageError(f"--range {given} is none; give two numbers, the lower first, as 0,1")
    return given[0], given[1]
