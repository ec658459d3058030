"""Finished cells on disk: every one is kept at once, so that a second call continues the first."""

import hashlib
import inspect
import json
import math
from importlib.resources import files
from pathlib import Path
from typing import Any

from undertow.core.codec import encode
from undertow.core.errors import EnvironmentFaultError
from undertow.studies.study import Cell, Measured, Study

MEASURES = "undertow.studies.measures"
WORDS = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}


def key(study: Study, cell: Cell) -> str:
    """16 hex digits of all that decides a cell's numbers: the cell, the measure's code, torch."""
    import torch

    code = study.identity or _code(study)
    whole = [encode(cell), study.measure.__name__, code, torch.__version__]
    return hashlib.sha256(json.dumps(whole).encode()).hexdigest()[:16]


def _code(study: Study) -> str:
    """All measures where the study's is one of them, else the module that holds it."""
    module = inspect.getmodule(study.measure)
    if module is None:
        return ""
    if module.__name__.startswith(MEASURES):
        home = files(MEASURES)
        own = sorted(f.name for f in home.iterdir() if f.name.endswith(".py"))
        return "".join((home / name).read_text(encoding="utf-8") for name in own)
    return inspect.getsource(module)


class Cells:
    """The finished cells of one study in one file of lines; without a folder they are only held."""

    def __init__(self, folder: Path | None, study: str) -> None:
        self._path = None if folder is None else folder / f"{study}.jsonl"
        self._held: dict[str, dict[str, Any]] = {}
        self._lead = ""
        if self._path is not None and self._path.is_file():
            text = self._path.read_text(encoding="utf-8")
            self._lead = "" if text.endswith("\n") or not text else "\n"  # behind a line cut short
            for line in text.splitlines():
                self._take(line)

    def _take(self, line: str) -> None:
        try:
            held = json.loads(line)
            self._held[held["key"]] = {n: _number(v) for n, v in held["values"].items()}
        except (ValueError, KeyError, AttributeError, TypeError):
            return  # a line cut by a kill: the cell runs again

    def get(self, name: str) -> Measured | None:
        """The numbers of a cell that was finished before; None: it was not."""
        return self._held.get(name)

    def keep(self, name: str, values: Measured) -> None:
        """Store a finished cell.

        Raises:
            EnvironmentFaultError: the folder cannot be written.
        """
        self._held[name] = dict(values)
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{self._lead}{json.dumps({'key': name, 'values': _words(values)})}\n")
            self._lead = ""
        except OSError as error:
            raise EnvironmentFaultError(f"{self._path} cannot be written: {error}") from error


def _words(values: Measured) -> dict[str, Any]:
    """The values with every digit, so that counts stay exact; infinities and NaN as words."""
    return {
        n: [_word(w) for w in v] if isinstance(v, tuple) else _word(v) for n, v in values.items()
    }


def _word(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


def _number(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_number(v) for v in value)
    return WORDS.get(value, value) if isinstance(value, str) else value
