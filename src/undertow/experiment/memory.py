"""Finished trials kept in a file, so that an interrupted repair goes on where it was."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import partial
from inspect import getsourcefile
from pathlib import Path
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from undertow.core.codec import decode, encode
from undertow.core.errors import EnvironmentFaultError, UsageError
from undertow.core.verdict import Trial
from undertow.data.arrays import Arrays

if TYPE_CHECKING:
    from undertow.experiment.pair import Source, Task


class Memory:
    """One JSON line a finished trial, found again by everything that decides its outcome.

    Args:
        path: the file; it and its folder are made with the first trial. A cut last line, of a
            process that was killed, is skipped.

    Raises:
        UsageError: the file holds something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held = dict(_lines(path)) if path.exists() else {}

    def get(self, task: "Task") -> Trial | None:
        """The stored trial of a task; None if it has not been finished."""
        return self._held.get(key(task))

    def put(self, task: "Task", trial: Trial) -> None:
        """Store a trial; one that could not run is not kept, so that it is tried again.

        Raises:
            EnvironmentFaultError: the file cannot be written; the lines before it are whole.
        """
        if trial.fault:
            return
        self._held[key(task)] = trial
        line = json.dumps({"key": key(task), "trial": encode(trial)}, allow_nan=False)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as held:
                held.write(line + "\n")
        except OSError as error:
            raise EnvironmentFaultError(
                f"{self._path} could not be written ({error.strerror}); finished trials are safe"
            ) from error


def key(task: "Task") -> str:
    """32 hex digits over everything that decides a trial: source, edits, data, steps, seeds."""
    source = task.source
    decides = {
        "plan": encode(source.plan),
        "choices": encode(source.choices),
        "build": _told(source.build) if source.plan is None else "",
        "loss": _told(source.loss),
        "step": _told(source.step),
        "optimizer": _options(source),
        "edits": encode(task.edits),
        "data": [p.fingerprint for p in _data(task)],
        "numbers": [task.seed, task.draw, task.steps, task.base],
    }
    text = json.dumps(decides, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _told(value: object) -> str:
    """A function, class or setting as text that another process gives again, or none does.

    Functions by their name, the file they are written in and what they hold; an address in the
    text of anything else makes a key of its own, so that trials are run again, never mixed up.
    """
    if isinstance(value, partial):
        return f"{_told(value.func)}{[*map(_told, value.args)]}{_held(value.keywords)}"
    if not isinstance(value, FunctionType | MethodType | type):
        return f"{type(value).__qualname__} {value!r}"
    held = getattr(value, "__closure__", None) or ()
    cells = [_told(c.cell_contents) for c in held]
    own = _told(value.__self__) if isinstance(value, MethodType) else ""
    options = [_told(v) for v in getattr(value, "__defaults__", None) or ()]
    return f"{value.__module__}.{value.__qualname__} {_written(value)} {own}{cells}{options}"


def _held(named: Mapping[str, object]) -> str:
    return str({k: _told(v) for k, v in sorted(named.items())})


def _written(value: Any) -> str:
    """The code of a function, and a hash of the file it is written in, where that can be read."""
    code = getattr(value, "__code__", None)
    own = "" if code is None else f"{code.co_firstlineno} {code.co_code.hex()} {code.co_names}"
    try:
        text = Path(getsourcefile(value) or "").read_bytes()
    except (OSError, TypeError):
        return own
    return f"{own} {hashlib.sha256(text).hexdigest()[:16]}"


def _options(source: "Source") -> str:
    """Class and settings of the optimiser that the source's factory makes."""
    if source.optimizer is None:
        return ""
    made = source.optimizer([nn.Parameter(torch.zeros(1))])
    groups = [{k: v for k, v in g.items() if k != "params"} for g in made.param_groups]
    return f"{type(made).__qualname__} {[*map(_held, groups)]}"


def _data(task: "Task") -> Sequence[Arrays]:
    return (task.train,) if task.held is None else (task.train, task.held)


def _lines(path: Path) -> list[tuple[str, Trial]]:
    out = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            stored = json.loads(line)
        except json.JSONDecodeError:
            continue  # cut by a kill: the trial is run again
        if not isinstance(stored, dict) or "key" not in stored:
            raise UsageError(f"{path} holds no trials; give another folder")
        out.append((stored["key"], decode(Trial, stored["trial"])))
    return out
