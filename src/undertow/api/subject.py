"""A user's network and data as what a study is asked of."""

import os
from dataclasses import replace
from pathlib import Path

from torch import nn

from undertow.api.data import as_data
from undertow.api.prepare import fitted
from undertow.api.target import source
from undertow.core.codec import decode
from undertow.core.errors import UsageError
from undertow.core.plan import Plan, TrainChoices
from undertow.data.arrays import Arrays, load
from undertow.experiment.pair import Source
from undertow.studies.own import Given, Subject
from undertow.train import checkpoint

PLAIN = "digits"  # data where neither the user nor a run names any
RATE = 0.02  # of a network given as code or as a live module


def subject(on: object, data: object = None) -> Subject:
    """The network to ask, ready to be built for every seed.

    Args:
        on: a zoo name, module:callable, file.py:callable, a run folder, or a live module, whose
            weights every seed then starts from.
        data: a source as typed, or tensors, a Dataset, batches; None: a run's own, else digits.

    Raises:
        UsageError: an unknown model, data it does not run on.
    """
    if isinstance(on, nn.Module):
        made = Source(None, TrainChoices(lr=RATE), Given(on))
        return _checked(Subject(type(on).__name__, made, _arrays(data, ""), _typed(data, PLAIN)))
    plan = _plan(str(on))
    arrays = fitted(_arrays(data, plan.data), plan.model, plan.side)
    named = replace(plan, classes=None if data is not None else plan.classes)
    made = source(named, arrays)
    return _checked(Subject(str(on), made, arrays, _typed(data, plan.data or PLAIN)))


def _checked(made: Subject) -> Subject:
    """The subject, once it ran one batch."""
    assert made.facts is not None
    return made


def _plan(on: str) -> Plan:
    """The plan of a model word, or the one a run was trained by.

    Raises:
        UsageError: a folder that holds no run.
    """
    folder = Path(on)
    if ":" in on or not folder.is_dir():
        return Plan(on)
    if not (folder / "run.json").is_file():
        raise UsageError(
            f"{on} holds no run; give a zoo name, file.py:callable, module:callable or a folder"
            " that undertow train wrote"
        )
    _, about = checkpoint.load(folder)
    if not about.get("asked", {}).get("model"):
        raise UsageError(f"{on} was trained from objects in a program; give the network itself")
    return decode(Plan, about["asked"])


def _arrays(data: object, own: str) -> Arrays:
    if data is None or isinstance(data, str | os.PathLike):
        return load(os.fspath(data or own or PLAIN))
    return as_data(data)


def _typed(data: object, plain: str) -> str:
    if data is None:
        return plain
    return os.fspath(data) if isinstance(data, str | os.PathLike) else "data"
