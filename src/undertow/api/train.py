"""`ut.train`: train a network with the watch on; leaves a run folder."""

import time
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch

from undertow.api.diagnose import diagnose, report_of
from undertow.api.repair import as_arrays
from undertow.api.target import source as source_of
from undertow.core.errors import UsageError
from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.core.record import Record
from undertow.core.run import Run
from undertow.data.arrays import load
from undertow.data.split import hold_back, standardised
from undertow.experiment.pair import Source, build, make_optimizer
from undertow.instrument.watch import Watch
from undertow.nn.loss import criterion
from undertow.nn.optimizer import facts
from undertow.nn.threads import single_threaded, small
from undertow.preflight import guarded
from undertow.train.fit import Each, Job, fit

__all__ = ["prepared", "train", "trained"]

Value = str | int | float | bool | tuple[int, ...] | None


def train(
    model: str = "conv",
    data: object = "digits",
    *,
    epochs: int = 10,
    run: str | Path | None = None,
    validation: float = 0.2,
    seed: int = 0,
    **options: Value,
) -> Run:
    """Train a network on data with the watch on.

    Args:
        model: a zoo name, `module:callable` or `file.py:callable`.
        data: `digits`, `synthetic:CxHxW:CLASSES`, an `.npz` file, or (x, y) tensors.
        epochs: passes over the training part.
        run: the run folder; None makes one under `runs/` named by model and time.
        validation: share held back, drawn by the seed; never trained on.
        seed: of weights, order and split.
        options: choices of the model (act, norm, init, skip, depth, width, pool_at) and of the
            training (lr, optimizer, batch, steps, clip_norm, clip_value, l1, l2, schedule, ...).

    Raises:
        UsageError: an unknown model, data or option.
    """
    arrays = load(data) if isinstance(data, str) else as_arrays("data", data)
    choices, training, sizes = split_options({"epochs": epochs, **options})
    source = source_of(Plan(model, choices, sizes, train=training, seed=seed), arrays)
    folder = new_folder(model) if run is None else Path(run)
    return trained(prepared(source, arrays, validation, seed, folder))


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


def new_folder(model: str) -> Path:
    """A run folder that does not exist yet, named by model and time."""
    name = Path(model.split(":")[0]).stem
    return Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"


def prepared(source: Source, data: Any, validation: float, seed: int, folder: Path) -> Job:
    """The job of a source: data split and standardised, net built, optimiser made."""
    kept, held = hold_back(data, validation, seed)
    wanted = source.choices.standardise
    if data.standardise if wanted is None else wanted:
        kept, held = standardised(kept, held)
    net = build(source, (), data.shape, seed)
    optimizer = make_optimizer(source, (), net)
    loss_fn, _ = criterion(source.loss or source.choices.loss, kept.y)
    return Job(net, optimizer, kept, held, source.choices, loss_fn, folder, seed, plan=source.plan)


def trained(
    job: Job,
    each: Each = lambda _s, _e: None,
    on_finding: Callable[[Any], object] | None = None,
    options: str | None = None,
) -> Run:
    """Run a job under the watch; the report is written into its folder.

    Args:
        job: what is trained.
        each: told every step and its evaluation.
        on_finding: told a finding when there is one.
        options: of the model and training as typed, for the commands the report shows.
    """
    typed = () if options is None else (("options", options),)
    head = Record(
        kind="run",
        source=job.plan.model if job.plan else "module",
        plan=job.plan,
        optimizer=facts(job.optimizer, job.choices.clip_norm),
        facts=(
            *typed,
            ("data", job.train.name),
            ("fingerprint", job.train.fingerprint),
            ("samples", str(len(job.train.x))),
            ("batch", str(job.choices.batch)),
            ("seed", str(job.seed)),
            ("torch", torch.__version__),
        ),
    )
    watch = Watch(
        job.net,
        optimizer=job.optimizer,
        loss=job.loss_fn,
        run=job.folder,
        judge=report_of,
        on_finding=on_finding,
        head=replace(head, loss=str(job.choices.loss or "")),
    )
    values = job.choices.batch * job.train.x[0].numel()
    with guarded(job.seed), single_threaded(small(job.net, values)):
        run = fit(job, watch, each)
    diagnose(job.folder).to_html(job.folder / "report.html")
    return run
