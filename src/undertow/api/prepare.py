"""From options to a job: what was typed, split; data split and scaled; net and optimiser made."""

from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import torch

from undertow.api.target import CodeBuild
from undertow.core.errors import UsageError
from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.data.split import hold_back, standardised
from undertow.experiment.pair import Source, build, make_optimizer
from undertow.nn.loss import criterion
from undertow.train.fit import NO_LIMITS, Job, Limits
from undertow.train.schedule import checked

Value = str | int | float | bool | tuple[int, ...] | None
SIZES = ("depth", "width", "pool_at")


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
        if name in ("depth", "width", "pool_at"):
            sizes.append((name, value))
        elif name not in model | training:
            allowed = ", ".join(sorted(model | training | {"depth", "width", "pool_at"}))
            raise UsageError(f"option {name!r} is unknown; choose {allowed}")
    given: dict[str, Any] = dict(options)
    return (
        Choices(**{k: v for k, v in given.items() if k in model}),
        TrainChoices(**{k: v for k, v in given.items() if k in training}),
        tuple((k, v) for k, v in sizes if v is not None),
    )


def prepared(
    source: Source,
    data: Any,
    validation: float,
    seed: int,
    folder: Path,
    limits: Limits = NO_LIMITS,
) -> Job:
    """The job of a source: data split and standardised, net built, optimiser made.

    Args:
        source: what is trained and how.
        data: all of it.
        validation: share held back.
        seed: of split, weights and orders.
        folder: of the run.
        limits: how long, how often saved.
    """
    checked(source.choices)
    kept, held = hold_back(data, validation, seed)
    wanted = source.choices.standardise
    if data.standardise if wanted is None else wanted:
        kept, held = standardised(kept, held)
    net = build(source, (), data.shape, seed)
    if source.choices.channels_last:
        net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = make_optimizer(source, (), net)
    loss_fn, _ = criterion(source.loss or source.choices.loss, kept.y)
    asked = replace(as_asked(source), data=data.origin, validation=validation, seed=seed)
    about = {"asked": asdict(asked), "fingerprint": data.fingerprint}
    plan = None if source.plan is None else asked
    return Job(
        net,
        optimizer,
        kept,
        held,
        source.choices,
        loss_fn,
        folder,
        seed,
        plan=plan,
        limits=limits,
        about=about,
    )


def as_asked(source: Source) -> Plan:
    """The plan a resume builds the source from again; of a user's code its address."""
    if source.plan is not None:
        return source.plan
    address = source.build.address if isinstance(source.build, CodeBuild) else ""
    where, _, name = address.rpartition(":")
    if where.endswith(".py"):
        address = f"{Path(where).resolve()}:{name}"
    return Plan(address, train=source.choices)
