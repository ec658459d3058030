"""Finished trials kept in a file, so that an interrupted repair goes on where it was."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from undertow.core.codec import decode, encode
from undertow.core.errors import EnvironmentFaultError, UsageError
from undertow.core.verdict import Trial
from undertow.data.arrays import Arrays

if TYPE_CHECKING:
    from undertow.experiment.pair import Task


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
        "build": repr(source.build) if source.plan is None else "",
        "edits": encode(task.edits),
        "data": [p.fingerprint for p in _data(task)],
        "numbers": [task.seed, task.draw, task.steps],
    }
    text = json.dumps(decides, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


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
