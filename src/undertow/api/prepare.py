"""From options to a job: what was typed, split; data split and scaled; net and optimiser made."""

import warnings
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torch.optim import Optimizer

from undertow.api.target import CodeBuild
from undertow.api.transfer import Start, as_expected, begun, mismatch
from undertow.core.errors import UsageError
from undertow.core.finding import Symptom
from undertow.core.inputs import Inputs
from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.data.arrays import Arrays
from undertow.data.files import Files
from undertow.data.pixels import Pixels
from undertow.data.split import hold_back, standardised
from undertow.experiment.pair import Source, build, make_optimizer
from undertow.models import card
from undertow.models.parts import parts as parts_of
from undertow.nn.loss import CRITERIA, Criterion, criterion
from undertow.nn.optimizer import can_fuse, from_choices
from undertow.nn.parts import Part
from undertow.preflight import guarded
from undertow.preflight.static import alike, raw
from undertow.train.cached import on_features
from undertow.train.choices import checked
from undertow.train.evaluation import evaluating
from undertow.train.fit import NO_LIMITS, Job, Limits
from undertow.train.objective import objective, scarce, uneven, unlike
from undertow.train.precision import Precision
from undertow.train.precision import resolve as precision
from undertow.train.transfer import Freezing, by_part, freezing, wanted

Value = str | int | float | bool | tuple[int, ...] | None
SIZES = ("depth", "width", "pool_at")
OWN_SIZE = "plain"  # the family whose cards take any size
TRIED = 3  # targets that a loss is tried on
LOOK, MATRIX = 8, 2  # samples of a trial step; axes of a weight that is no vector
IMAGE, PER_CLASS = 3, 2  # axes of one image; of outputs with one logit a class


def split_options(
    options: dict[str, Value],
) -> tuple[Choices, TrainChoices, tuple[tuple[str, int | tuple[int, ...]], ...]]:
    """Options by where they belong: choices of the model, of the training, sizes.

    Raises:
        UsageError: a name that is neither.
    """
    model = {f.name for f in fields(Choices)}
    training = {f.name for f in fields(TrainChoices)}
    sizes: list[tuple[str, Any]] = []
    for name, value in options.items():
        if name in SIZES:
            sizes.append((name, value))
        elif name not in model | training:
            allowed = ", ".join(sorted(model | training | set(SIZES)))
            raise UsageError(f"option {name!r} is unknown; choose {allowed}")
    given: dict[str, Any] = dict(options)
    return (
        Choices(**{k: v for k, v in given.items() if k in model}),
        TrainChoices(**{k: v for k, v in given.items() if k in training}),
        tuple((k, v) for k, v in sizes if v is not None),
    )


def prepared(
    source: Source,
    data: Arrays,
    validation: float,
    seed: int,
    folder: Path,
    limits: Limits = NO_LIMITS,
    stored: Mapping[str, Any] | None = None,
) -> Job:
    """The job of a source: data split and standardised, net built, optimiser made.

    Args:
        source: what is trained and how.
        data: all of it.
        validation: share held back.
        seed: of split, weights and orders.
        folder: of the run.
        limits: how long, how often saved.
        stored: what the checkpoint says of a training that goes on; None for a new one.
    """
    checked(source.choices)
    parts = _parts(data, validation, seed)
    net, stages, start = _begun(source, data, seed, stored)
    kept, held = _scaled(parts, source.choices.standardise, start)
    loss_fn, word = criterion(source.loss or source.choices.loss, kept.y)
    fits(net, kept, loss_fn if word in CRITERIA else None, word)
    frozen = freezing(source.choices, net, stages) if stages and wanted(source.choices) else None
    optimizer = _optimizer(source, net, frozen)
    choices, answers = _precise(source.choices, net, kept, loss_fn)
    asked = replace(
        as_asked(source),
        train=choices,
        data=data.origin,
        side=_side(data),
        validation=validation,
        seed=seed,
    )
    job = Job(
        net,
        optimizer,
        kept,
        held,
        choices,
        loss_fn,
        folder,
        seed,
        plan=None if source.plan is None else asked,
        limits=limits,
        about={**_about(asked, data, kept), "loss": word, "precision": asdict(answers)},
        objective=objective(choices, loss_fn, word, _counts(kept)),
        freezing=frozen,
        notes=(*start.notes, *_said(kept, choices)),
        static=(*mismatch(start, kept), *off_scale(kept)),
    )
    return on_features(job, stages[-1]) if choices.cache_features else job


def _scaled(
    parts: tuple[Arrays, Arrays], asked: bool | None, start: Start
) -> tuple[Arrays, Arrays]:
    """Both parts as the weights expect them, unless asked otherwise.

    Without such weights at mean 0 and deviation 1 where that is wanted (None: as the source does).
    """
    if start.inputs is not None and asked is None:
        train, held = (as_expected(part, start) for part in parts)
        return train, held
    if not (parts[0].standardise if asked is None else asked):
        return parts
    train, held = standardised(*parts)
    return train, held


def _begun(
    source: Source, data: Arrays, seed: int, stored: Mapping[str, Any] | None
) -> tuple[torch.nn.Module, tuple[Part, ...], Start]:
    """The net of a source with its weights, in the layout it trains in; parts; what came along."""
    net, choices = build(source, (), data, seed), source.choices
    special = choices.weights or choices.cache_features or wanted(choices)
    stages = _stages(net, data) if special else ()
    start = begun(net, source, stages, data, stored)
    if choices.channels_last:
        net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net, stages, start


def _stages(net: torch.nn.Module, data: Arrays) -> tuple[Part, ...]:
    fits(net, data)
    with guarded(0):
        return parts_of(net, data.x[:1])


def _about(asked: Plan, data: Arrays, kept: Arrays) -> dict[str, Any]:
    """What every checkpoint says of the training besides its state."""
    return {
        "asked": asdict(asked),
        "fingerprint": data.fingerprint,
        "classes": list(data.names),
        "preprocessing": preprocessing(kept).told(),
        "kept": isinstance(data.x, Pixels) and getattr(data.x.source, "keep", False),
    }


def off_scale(kept: Arrays) -> tuple[Symptom, ...]:
    """What is wrong with inputs as the net gets them; of images, always 0..1, nothing."""
    if not isinstance(kept.x, Tensor):
        return ()
    return tuple(alike(kept.x)) or tuple(raw(kept.x))


def _said(kept: Arrays, choices: TrainChoices) -> tuple[str, ...]:
    """What a reader should know of the training part, and of what is trained on in its place."""
    few = scarce(kept.y, kept.classes, kept.names)
    return (*few, *uneven(kept.y, kept.classes, choices.balance), *unlike(choices))


def _counts(data: Arrays) -> torch.Tensor:
    return data.y.bincount(minlength=data.classes) if data.classes else torch.ones(1)


def _precise(
    choices: TrainChoices, net: torch.nn.Module, data: Arrays, loss_fn: Any
) -> tuple[TrainChoices, Precision]:
    """The choices with `precision` resolved once, before the first step, and why."""
    batch = data.x[:LOOK], data.y[:LOOK]
    with guarded(0):
        found = precision(choices.precision, net, batch, loss_fn)
    return replace(choices, precision=found.word), found


def _optimizer(source: Source, net: torch.nn.Module, frozen: Freezing | None) -> Optimizer:
    """The source's optimiser; with `no_norm_decay` norms and biases are a group without decay."""
    choices = source.choices
    if source.optimizer is not None:
        return make_optimizer(source, (), net)
    fused = can_fuse(net, choices.precision) or None
    if frozen is not None:
        lr, bare = choices.lr or 0.0, choices.no_norm_decay
        return from_choices(choices, by_part(frozen, net, lr=lr, bare=bare), fused=fused)
    if not choices.no_norm_decay:
        return from_choices(choices, net.parameters(), fused=fused)
    held = list(net.parameters())
    free = [p for p in held if p.ndim < MATRIX]  # scales, shifts and biases are vectors
    rest = [p for p in held if p.ndim >= MATRIX]
    groups: Any = [{"params": rest}, {"params": free, "weight_decay": 0.0}]
    return from_choices(choices, [g for g in groups if g["params"]], fused=fused)


def _parts(data: Arrays, validation: float, seed: int) -> tuple[Arrays, Arrays]:
    """(training part, held-back part): the source's own validation part, else a share by seed."""
    if data.validation is not None:
        return replace(data, validation=None, test=None), data.validation
    kept, held = hold_back(data, validation, seed)
    if data.classes and (lost := sorted({*held.y.tolist()} - {*kept.y.tolist()})):
        names = ", ".join(data.names[k] if data.names else str(k) for k in lost[:TRIED])
        raise UsageError(
            f"validation={validation} of {len(data.x)} samples holds back the only one of {names};"
            " give more data, or a smaller share"
        )
    return kept, held


def fitted(data: Arrays, model: str, side: int | None = None) -> Arrays:
    """The data at the size the model takes.

    Image files take the card's input (nets without one of their own keep the images'); arrays
    keep their size unless it is below the card's smallest, to which they are resized then.

    Args:
        data: as loaded.
        model: a card's name, or the address of a user's own.
        side: pixels a side, in place of the card's.

    Raises:
        UsageError: an unknown card.
    """
    made = None if ":" in model else card(model)
    plain = made is None or made.flat or made.family == OWN_SIZE
    if isinstance(data.x, Pixels) and isinstance(data.x.source, Files):
        own = data.x.size if plain or made is None else made.input[1:]
        size = (side, side) if side else (int(own[0]), int(own[1]))
        return _everywhere(data, size)
    if plain or made is None or len(data.shape) != IMAGE:
        return data
    least = side or made.smallest
    if min(data.shape[1:]) >= least and side is None:
        return data
    return _everywhere(data, (least, least))


def one_unit(loss: str | None, classes: int | None, data: Arrays) -> int | None:
    """Classes of the head: 1 for `bce` on two classes unless told otherwise."""
    return 1 if loss == "bce" and classes is None and data.classes == PER_CLASS else classes


def _side(data: Arrays) -> int | None:
    square = len(data.shape) == IMAGE and data.shape[1] == data.shape[2]
    return data.shape[1] if square else None


def _everywhere(data: Arrays, size: tuple[int, int]) -> Arrays:
    parts = {
        name: _everywhere(part, size)
        for name, part in (("validation", data.validation), ("test", data.test))
        if part is not None
    }
    if tuple(data.shape[1:]) == size:
        return replace(data, **parts)  # type: ignore[arg-type]
    if isinstance(data.x, Pixels):
        return replace(data, x=data.x.sized(size), **parts)  # type: ignore[arg-type]
    x = interpolate(data.x[:], size, mode="bilinear", antialias=True, align_corners=False)
    return replace(data, x=x, **parts)  # type: ignore[arg-type]


@torch.no_grad()
def fits(
    net: torch.nn.Module, data: Arrays, loss_fn: Criterion | None = None, word: str = ""
) -> None:
    """Nothing, where the net takes the inputs, has an output for every class, the loss targets.

    Args:
        net: as built.
        data: to train on.
        loss_fn: tried on some targets; None is not.
        word: its name.

    Raises:
        UsageError: it does not, in the words of what went wrong.
    """
    with guarded(0), evaluating(net):
        try:
            out = net(data.x[:1])
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            if isinstance(error, UsageError):
                raise
            shape = "x".join(map(str, data.shape))
            raise UsageError(f"the network does not take inputs of {shape}: {error}") from error
    found = out.shape[1] if isinstance(out, torch.Tensor) and out.ndim == PER_CLASS else 0
    wrong = data.classes > max(found, PER_CLASS) if found == 1 else data.classes > found
    if found and wrong:
        raise UsageError(
            f"the network has {found} outputs and the data labels up to {data.classes - 1};"
            f" give --classes {data.classes}, or mend the labels"
        )
    if found and loss_fn is not None:
        _takes(loss_fn, word, out, data.y[:TRIED])


def _takes(loss_fn: Criterion, word: str, out: torch.Tensor, y: torch.Tensor) -> None:
    """Nothing, where a loss takes targets as they are, not only by stretching them."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # of shapes that differ
            loss_fn(out[:1].float().repeat(len(y), 1), y)
    except (RuntimeError, ValueError, IndexError, TypeError, UserWarning) as error:
        kind = "floats" if y.is_floating_point() else "whole numbers"
        shape = "x".join(["N", *map(str, y.shape[1:])])
        raise UsageError(
            f"loss={word} does not take targets of {shape} {kind} for {out.shape[1]} outputs;"
            " cross-entropy and bce take class numbers, mse, l1 and huber as many floats as outputs"
        ) from error


def preprocessing(data: Arrays) -> Inputs:
    """What is done to inputs before the net sees them: stored with every checkpoint."""
    mean, std = (None, None) if data.scale is None else (data.scale.mean, data.scale.std)
    if not isinstance(data.x, Pixels):
        return Inputs(data.shape, mean=mean, std=std)
    if data.x.transform is not None:
        made = getattr(data.x.transform, "__qualname__", type(data.x.transform).__name__)
        return Inputs(data.shape, transform=made)
    return Inputs(data.shape, data.x.edge, (0.0, 1.0), mean, std)


def as_asked(source: Source) -> Plan:
    """The plan a resume builds the source from again; of a user's code its address."""
    if source.plan is not None:
        return source.plan
    address = source.build.address if isinstance(source.build, CodeBuild) else ""
    where, _, name = address.rpartition(":")
    if where.endswith(".py"):
        address = f"{Path(where).resolve()}:{name}"
    return Plan(address, train=source.choices, edits=source.edits, remedies=source.remedies)
